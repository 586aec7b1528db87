import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type {
  InvalidRequest,
  MalformedJson,
  PayloadTooLarge,
  UnsupportedMediaType,
} from "@tandem/contracts/http/Errors"
import type { InvalidField } from "@tandem/contracts/Problem"
import { Effect, Either, Equal, ParseResult, type Schema, SchemaAST } from "effect"
import { invalidFields, invalidRequest } from "./InvalidInput.js"
import { hasBody, readJson } from "./RequestBody.js"

/** Why a command could not be read; each is a declared problem of the contract. */
export type UnreadableCommand = InvalidRequest | MalformedJson | PayloadTooLarge | UnsupportedMediaType

/**
 * Reads the command of a POST that comes in the query or, the same, as JSON in the body. For endpoints with `handleRaw`.
 *
 * - neither: {@link InvalidRequest} that names each missing parameter; fields that are wrong are all named
 * - both: fine when they agree, {@link InvalidRequest} when they differ
 * - a body that names a field twice: {@link InvalidRequest}
 * - a body that is not `application/json`: {@link UnsupportedMediaType}; not JSON at all: {@link MalformedJson}
 * - a body over 64 KiB, whether its length is told or not: {@link PayloadTooLarge}, before it is read to the end
 *
 * @param schema the command; unknown fields are errors
 * @param urlParams the query as the endpoint has decoded it, every field optional
 */
export const readCommand = <A extends object, I>(
  schema: Schema.Schema<A, I>,
  urlParams: { readonly [Name in keyof A]?: A[Name] | undefined },
  request: HttpServerRequest.HttpServerRequest,
): Effect.Effect<A, UnreadableCommand> => {
  const command = described(schema)
  const query = given(command.names, urlParams)
  const message = NodeHttpServerRequest.toIncomingMessage(request)
  if (!hasBody(message)) return decoded(command, query, "parameter")
  return Effect.flatMap(readJson(message), ({ value, repeated }) =>
    Effect.flatMap(decoded(command, value, "pointer"), (fromBody) => {
      if (repeated.length > 0) {
        return Effect.fail(invalidRequest(repeated.map((name) => ({ pointer: `/${name}`, detail: "is given twice" }))))
      }
      const values = given(command.names, fromBody)
      const errors: ReadonlyArray<InvalidField> = Object.keys(query)
        .filter((name) => !Equal.equals(query[name], values[name]))
        .map((name) => ({ parameter: name, detail: "differs from the body" }))
      return errors.length === 0 ? Effect.succeed(fromBody) : Effect.fail(invalidRequest(errors))
    }),
  )
}

interface Described<A> {
  readonly names: ReadonlyArray<string>
  readonly decode: (input: unknown) => Either.Either<A, ParseResult.ParseIssue>
}

const descriptions = new WeakMap<SchemaAST.AST, Described<unknown>>()

/** Compiling a decoder costs more than running it, so each command keeps its own. */
const described = <A, I>(schema: Schema.Schema<A, I>): Described<A> => {
  const known = descriptions.get(schema.ast)
  // The key is the schema's own AST, so the entry is of this schema.
  if (known !== undefined) return known as Described<A>
  const description: Described<A> = {
    names: SchemaAST.getPropertySignatures(SchemaAST.encodedAST(schema.ast)).map(({ name }) => String(name)),
    decode: ParseResult.decodeUnknownEither(schema, { errors: "all", onExcessProperty: "error" }),
  }
  descriptions.set(schema.ast, description)
  return description
}

const given = (names: ReadonlyArray<string>, values: object): Readonly<Record<string, unknown>> => {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && names.includes(name)) fields[name] = value
  }
  return fields
}

const decoded = <A>(command: Described<A>, input: unknown, place: "parameter" | "pointer") => {
  const result = command.decode(input)
  return Either.isRight(result)
    ? Effect.succeed(result.right)
    : Effect.fail(invalidRequest(invalidFields(result.left, place, command.names)))
}
