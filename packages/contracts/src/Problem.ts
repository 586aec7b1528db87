import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** Every kind of problem that a service answers with: the last part of its `type`, its status and its title (RFC 9457). */
export const problems = {
  "invalid-request": { status: 400, title: "The request is invalid" },
  "malformed-json": { status: 400, title: "The body is not valid JSON" },
  unauthorized: { status: 401, title: "Credentials are missing or invalid" },
  forbidden: { status: 403, title: "This is not allowed" },
  "not-found": { status: 404, title: "There is nothing here" },
  "order-not-found": { status: 404, title: "There is no such order" },
  "account-not-found": { status: 404, title: "There is no such account" },
  "payment-not-found": { status: 404, title: "There is no such payment" },
  "method-not-allowed": { status: 405, title: "The method is not allowed here" },
  "order-already-settled": { status: 409, title: "The order has already ended otherwise" },
  "request-in-flight": { status: 409, title: "The same request is still in flight" },
  "payload-too-large": { status: 413, title: "The body is too large" },
  "uri-too-long": { status: 414, title: "The URI is too long" },
  "unsupported-media-type": { status: 415, title: "The media type is not supported" },
  "idempotency-key-reused": { status: 422, title: "The idempotency key belongs to another request" },
  "funding-limit-exceeded": { status: 422, title: "The account cannot be funded any further" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "headers-too-large": { status: 431, title: "The headers are too large" },
  "internal-error": { status: 500, title: "Something went wrong on our side" },
  "service-unavailable": { status: 503, title: "The service is not available at the moment" },
} as const

/** The last part of a problem's `type`. */
export type ProblemKind = keyof typeof problems

/** One thing that is wrong with a request: where (a JSON pointer into the body, or a parameter's name) and what. */
export interface InvalidField {
  readonly pointer?: string
  readonly parameter?: string
  readonly detail: string
}

/** The schema of {@link InvalidField}. */
export const InvalidField = Schema.Struct({
  pointer: Schema.optionalWith(Schema.String, { exact: true }),
  parameter: Schema.optionalWith(Schema.String, { exact: true }),
  detail: Schema.String,
}).annotations({ identifier: "InvalidField" })

/** The body of an `application/problem+json` response (RFC 9457). `errors` is there for invalid input only. */
export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly errors?: ReadonlyArray<InvalidField>
}

/** The media type of every 4xx and 5xx. */
export const problemMediaType = "application/problem+json"

/** The body for a problem of that kind. */
export const problemBody = (kind: ProblemKind, detail: string, errors?: ReadonlyArray<InvalidField>): ProblemBody => ({
  type: `urn:tandem:problem:${kind}`,
  title: problems[kind].title,
  status: problems[kind].status,
  detail,
  ...(errors === undefined ? {} : { errors }),
})

const bodyOf = (kind: ProblemKind) =>
  Schema.Struct({
    type: Schema.Literal(`urn:tandem:problem:${kind}`),
    title: Schema.String,
    status: Schema.Literal(problems[kind].status),
    detail: Schema.String,
    errors: Schema.optionalWith(Schema.Array(InvalidField), { exact: true }),
  })

interface ProblemFields {
  readonly detail: string
  readonly errors?: ReadonlyArray<InvalidField>
}

/**
 * The wire form of a typed error: a service fails with an instance of `error`; a caller receives problem+json and, through
 * the typed client, the instance again.
 */
export const asProblem = <E extends ProblemFields>(
  kind: ProblemKind,
  error: Schema.Schema.AnyNoContext & { new (fields: ProblemFields): E },
) =>
  Schema.transform(bodyOf(kind), Schema.instanceOf(error), {
    strict: true,
    decode: ({ detail, errors }) => new error(errors === undefined ? { detail } : { detail, errors }),
    encode: (failure) => ({
      type: `urn:tandem:problem:${kind}` as const,
      title: problems[kind].title,
      status: problems[kind].status,
      detail: failure.detail,
      ...(failure.errors === undefined ? {} : { errors: failure.errors }),
    }),
  })
    .pipe(HttpApiSchema.withEncoding({ kind: "Json", contentType: problemMediaType }))
    .annotations(HttpApiSchema.annotations({ status: problems[kind].status, description: problems[kind].title }))
