import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { InvalidField } from "@tandem/contracts/Problem"
import { Effect, Either, Exit, Option, ParseResult, Schema, SchemaAST } from "effect"
import { invalidFields, invalidRequestDetail, type Place } from "./InvalidInput.js"
import type { Problem } from "./ProblemDetails.js"
import { hasBody, isJson, unsupportedDetail } from "./RequestBody.js"
import { routing } from "./RouteTable.js"

/** Decodes a request again, after its endpoint has refused it. */
export interface EndpointTable {
  /**
   * All that is wrong with a request, in words that reflect nothing of it. Undefined when the request is fine, so that what failed was
   * the response: HttpApi answers both alike, and tells the first fault only, quoting the input.
   */
  readonly refusal: (request: HttpServerRequest.HttpServerRequest) => Problem | undefined
}

interface Part {
  readonly place: Place
  readonly names: ReadonlyArray<string>
  readonly decode: (input: unknown) => Either.Either<unknown, ParseResult.ParseIssue>
}

interface Endpoint {
  /** Path, query and headers. */
  readonly parameters: ReadonlyArray<readonly [part: Part, input: (request: Input) => unknown]>
  readonly payload: Part | undefined
}

interface Input {
  readonly params: unknown
  readonly searchParams: unknown
  readonly headers: unknown
}

const partOf = ({ ast }: Schema.Schema.All, place: Place): Part => ({
  place,
  names: SchemaAST.getPropertySignatures(SchemaAST.encodedAST(ast)).map(({ name }) => String(name)),
  decode: ParseResult.decodeUnknownEither(Schema.make<unknown>(ast), { errors: "all" }),
})

/** The table of an API's endpoints. */
export const make = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>,
): EndpointTable => {
  const endpoints = HttpLayerRouter.FindMyWay.make<Endpoint>(routing)
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      const parameter = (schema: Option.Option<Schema.Schema.All>, input: (request: Input) => unknown) =>
        Option.toArray(schema).map((part) => [partOf(part, "parameter"), input] as const)
      endpoints.on(endpoint.method, endpoint.path, {
        parameters: [
          ...parameter(endpoint.pathSchema, ({ params }) => params),
          ...parameter(endpoint.urlParamsSchema, ({ searchParams }) => searchParams),
          ...parameter(endpoint.headersSchema, ({ headers }) => headers),
        ],
        payload: Option.getOrUndefined(Option.map(endpoint.payloadSchema, (schema) => partOf(schema, "pointer"))),
      })
    },
  })

  const refusal = (request: HttpServerRequest.HttpServerRequest): Problem | undefined => {
    const found = endpoints.find(request.method === "HEAD" ? "GET" : request.method, request.url)
    if (found === undefined) return undefined
    const { parameters, payload } = found.handler
    const input = { params: found.params, searchParams: found.searchParams, headers: request.headers }
    const wrong = parameters.flatMap(([part, pick]) => faults(part, pick(input)))
    if (wrong.length > 0) return invalid(wrong)
    if (payload === undefined) return undefined
    const message = NodeHttpServerRequest.toIncomingMessage(request)
    if (hasBody(message) && !isJson(message)) return { kind: "unsupported-media-type", detail: unsupportedDetail }
    // Who has decoded the body keeps it, so that it is here at once. One that is not was read by the endpoint itself, and is its affair.
    const body = Effect.runSyncExit(request.json)
    const wrongBody = Exit.isSuccess(body) ? faults(payload, body.value) : []
    return wrongBody.length > 0 ? invalid(wrongBody) : undefined
  }

  return { refusal }
}

const invalid = (errors: ReadonlyArray<InvalidField>): Problem => ({
  kind: "invalid-request",
  detail: invalidRequestDetail,
  errors,
})

const faults = ({ decode, place, names }: Part, input: unknown): ReadonlyArray<InvalidField> => {
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
