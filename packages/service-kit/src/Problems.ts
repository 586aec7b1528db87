import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { SqlError } from "@effect/sql"
import { Problems as declared, ServiceUnavailable } from "@tandem/contracts/http/Errors"
import { type ProblemKind, problemMediaType } from "@tandem/contracts/Problem"
import { Cause, Effect, Option, Schema } from "effect"
import type { EndpointTable } from "./EndpointTable.js"
import { Overloaded } from "./GroupCommit.js"
import { textResponse } from "./Json.js"
import { type Problem, problemResponse, statusHeaders } from "./ProblemDetails.js"
import type { RouteTable } from "./RouteTable.js"
import { isTechnical } from "./SqlFaults.js"

const unavailableDetail =
  "Something that this needs is not there at the moment. Whether a change was made may be unknown: look before asking again."

/** A technical fault hits every request of a moment alike: it is told once in so many ms. */
const quietPeriod = 1_000

let toldAt = Number.NEGATIVE_INFINITY

const tell = (cause: unknown): Effect.Effect<void> =>
  Effect.clockWith((clock) => {
    const now = clock.unsafeCurrentTimeMillis()
    if (now - toldAt < quietPeriod) return Effect.void
    toldAt = now
    return Effect.logError("requests are answered with 503", Cause.fail(cause))
  })

/**
 * Turns a handler's technical faults, `SqlError` and `Overloaded`, into the contract's {@link ServiceUnavailable}; the cause goes to
 * the log, once a second at most. An `SqlError` that no other try will mend (a constraint, data, syntax) is a bug: it becomes a
 * defect, and so 500.
 */
export const unavailable = <A, E, R>(
  self: Effect.Effect<A, E, R>,
): Effect.Effect<A, Exclude<E, SqlError.SqlError | Overloaded> | ServiceUnavailable, R> =>
  Effect.catchAll(
    self,
    (error): Effect.Effect<never, Exclude<E, SqlError.SqlError | Overloaded> | ServiceUnavailable> => {
      if (error instanceof Overloaded || isTechnical(error)) {
        return Effect.zipRight(tell(error), Effect.fail(new ServiceUnavailable({ detail: unavailableDetail })))
      }
      return error instanceof SqlError.SqlError
        ? Effect.die(error)
        : Effect.fail(error as Exclude<E, SqlError.SqlError | Overloaded>)
    },
  )

/**
 * The one place that turns every error into problem+json, whichever way it comes: what the router does not find, what HttpApi cannot
 * decode or encode, what a route fails with or dies of, and bare error statuses. Nothing of the input and nothing of ours gets
 * into a problem; what is our fault goes to the log.
 */
export const answered =
  (routes: RouteTable, endpoints: EndpointTable) =>
  <E, R>(
    app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> =>
    Effect.matchCauseEffect(app, {
      onSuccess: (response) => (response.status < 400 ? Effect.succeed(response) : fromResponse(endpoints, response)),
      onFailure: (cause) => fromCause(routes, cause),
    })

const fromResponse = (
  endpoints: EndpointTable,
  response: HttpServerResponse.HttpServerResponse,
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> => {
  if (response.headers["content-type"] === problemMediaType) {
    const type = response.status === 409 ? typeOf(textOf(response)) : undefined
    return Effect.succeed(
      HttpServerResponse.setHeaders(response, { ...statusHeaders(response.status, type), ...response.headers }),
    )
  }
  const refusal = response.status === 400 ? decodeError(response) : undefined
  if (refusal === undefined) return Effect.succeed(problemResponse(ofStatus(response.status)))
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const problem = endpoints.refusal(request)
    return problem === undefined
      ? Effect.as(Effect.logError(`a response does not fit its schema: ${refusal}`), problemResponse(internalError))
      : Effect.succeed(problemResponse(problem))
  })
}

const fromCause = <E>(
  routes: RouteTable,
  cause: Cause.Cause<E>,
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest> => {
  if (Cause.isInterruptedOnly(cause)) {
    return isClientAbort(cause)
      ? Effect.failCause(cause)
      : Effect.succeed(problemResponse({ kind: "service-unavailable", detail: unavailableDetail }))
  }
  const error = Cause.squash(cause)
  if (error instanceof HttpServerError.RouteNotFound) {
    return Effect.map(HttpServerRequest.HttpServerRequest, (request) => notFound(routes, request))
  }
  if (error instanceof HttpServerError.RequestError) {
    return Effect.succeed(problemResponse({ kind: "malformed-json", detail: "The body cannot be read as JSON." }))
  }
  if (error instanceof Overloaded || isTechnical(error)) {
    return Effect.as(tell(error), problemResponse({ kind: "service-unavailable", detail: unavailableDetail }))
  }
  const known = ofDeclaredError(error)
  if (known !== undefined && Cause.isFailure(cause)) return Effect.succeed(known)
  return Effect.as(Effect.logError("a request failed for an unexpected reason", cause), problemResponse(internalError))
}

/** What is said of a bug; the rest is in the log. */
export const internalError: Problem = {
  kind: "internal-error",
  detail: "The service failed; the reason is in its log.",
}

const isClientAbort = (cause: Cause.Cause<unknown>): boolean =>
  Option.isSome(
    Cause.find(cause, (part) =>
      part._tag === "Interrupt" && part.fiberId === HttpServerError.clientAbortFiberId
        ? Option.some(part)
        : Option.none(),
    ),
  )

const notFound = (routes: RouteTable, request: HttpServerRequest.HttpServerRequest) => {
  const allow = routes.allow(request.url)
  if (allow === undefined) return problemResponse({ kind: "not-found", detail: "Nothing is served at this path." })
  if (request.method === "OPTIONS") return HttpServerResponse.empty({ status: 204, headers: { allow } })
  return problemResponse({ kind: "method-not-allowed", detail: `This path knows ${allow}.`, headers: { allow } })
}

/** A failure of the contract, out of a route that no HttpApi encodes. */
const ofDeclaredError = (error: unknown): HttpServerResponse.HttpServerResponse | undefined => {
  const encoded = encodeDeclared(error)
  if (Option.isNone(encoded)) return undefined
  const { status, type } = encoded.value
  return textResponse(JSON.stringify(encoded.value), problemMediaType, { status, headers: statusHeaders(status, type) })
}

const encodeDeclared = Schema.encodeUnknownOption(Schema.Union(...Object.values(declared)))

const DecodeError = Schema.parseJson(Schema.TaggedStruct("HttpApiDecodeError", { message: Schema.String }))

const textOf = ({ body }: HttpServerResponse.HttpServerResponse): string =>
  body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""

const TypedProblem = Schema.parseJson(Schema.Struct({ type: Schema.String }))

const typeOf = (text: string): string | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(TypedProblem)(text))?.type

/** HttpApi's own words for a request or a response that does not fit, or undefined for any other 400. */
const decodeError = (response: HttpServerResponse.HttpServerResponse): string | undefined => {
  const decoded = Schema.decodeUnknownOption(DecodeError)(textOf(response))
  return Option.getOrUndefined(Option.map(decoded, ({ message }) => message))
}

const kinds: Readonly<Record<number, ProblemKind>> = {
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  405: "method-not-allowed",
  413: "payload-too-large",
  414: "uri-too-long",
  415: "unsupported-media-type",
  429: "too-many-requests",
  431: "headers-too-large",
  503: "service-unavailable",
}

/** A bare status becomes the problem that says as much; one that has none says whose fault it is. */
const ofStatus = (status: number): Problem => {
  const kind = kinds[status] ?? (status < 500 ? "invalid-request" : "internal-error")
  return { kind, detail: kind === "internal-error" ? internalError.detail : "This cannot be answered." }
}
