import { HttpApi, type HttpApiGroup, HttpLayerRouter, type HttpServerRequest } from "@effect/platform"
import type { InvalidField } from "@tandem/contracts/Problem"
import { Effect, Either, Option, ParseResult, type Schema, SchemaAST } from "effect"
import { invalidFields, type Place } from "./InvalidInput.js"

/** Decodes a request again, after its endpoint has refused it. */
export interface EndpointTable {
  /**
   * All that is wrong with a request, in a form that reflects nothing of it. Empty when the request is fine, so that what failed
   * was the response. (HttpApi itself tells only the first fault, in words that quote the input, and both cases alike.)
   */
  readonly faults: (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<ReadonlyArray<InvalidField>>
}

interface Part {
  readonly place: Place
  readonly names: ReadonlyArray<string>
  readonly decode: (input: unknown) => Either.Either<unknown, ParseResult.ParseIssue>
}

interface Endpoint {
  readonly path: Option.Option<Part>
  readonly urlParams: Option.Option<Part>
  readonly headers: Option.Option<Part>
  readonly payload: Option.Option<Part>
}

const partOf = (schema: Option.Option<Schema.Schema.All>, place: Place): Option.Option<Part> =>
  Option.map(schema, ({ ast }) => ({
    place,
    names: SchemaAST.getPropertySignatures(SchemaAST.encodedAST(ast)).map(({ name }) => String(name)),
    decode: (input) => {
      const result = ParseResult.decodeUnknownEither({ ast } as Schema.Schema<unknown>, { errors: "all" })(input)
      return result
    },
  }))

/** The table of an API's endpoints. */
export const make = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>,
): EndpointTable => {
  const endpoints = HttpLayerRouter.FindMyWay.make<Endpoint>()
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      endpoints.on(endpoint.method, endpoint.path, {
        path: partOf(endpoint.pathSchema, "parameter"),
        urlParams: partOf(endpoint.urlParamsSchema, "parameter"),
        headers: partOf(endpoint.headersSchema, "parameter"),
        payload: partOf(endpoint.payloadSchema, "pointer"),
      })
    },
  })

  const faults = (request: HttpServerRequest.HttpServerRequest) =>
    Effect.gen(function* () {
      const method = request.method === "HEAD" ? "GET" : request.method
      const found = endpoints.find(method, request.url)
      if (found === undefined) return []
      const { handler: endpoint, params, searchParams } = found
      const errors = [
        ...faultsOf(endpoint.path, params),
        ...faultsOf(endpoint.urlParams, searchParams),
        ...faultsOf(endpoint.headers, request.headers),
      ]
      if (errors.length > 0) return errors
      // Read before, by the endpoint, or never: one that reads its body itself answers for it itself.
      const body = yield* Effect.option(request.json)
      return Option.isSome(body) ? faultsOf(endpoint.payload, body.value) : []
    })

  return { faults }
}

const faultsOf = (part: Option.Option<Part>, input: unknown): ReadonlyArray<InvalidField> => {
  if (Option.isNone(part)) return []
  const { decode, place, names } = part.value
  const result = decode(input)
  if (Either.isRight(result)) return []
  return invalidFields(result.left, place, names).map((field) =>
    isRepeated(input, field.parameter) ? { ...field, detail: "must be given once" } : field,
  )
}

const isRepeated = (input: unknown, name: string | undefined): boolean =>
  name !== undefined &&
  typeof input === "object" &&
  input !== null &&
  Array.isArray((input as Readonly<Record<string, unknown>>)[name])
