import type { ServerResponse } from "node:http"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import {
  type InvalidField,
  type ProblemBody,
  type ProblemKind,
  problemBody,
  problemMediaType,
} from "@tandem/contracts/Problem"
import { textResponse } from "./Json.js"

/** A problem in plain data, before it is known who writes it: Effect, a bare response, or a bare socket. */
export interface Problem {
  readonly kind: ProblemKind
  readonly detail: string
  readonly errors?: ReadonlyArray<InvalidField>
  /** Such as `Allow`; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
}

/** How long a caller should wait before trying again, in seconds. */
const retryAfter = "1"

/**
 * What each status asks for beside the body: 503, and a request that is still in flight, say when to come again; 413 ends the connection,
 * whose rest nobody will read.
 */
export const statusHeaders = (status: number, type = ""): Readonly<Record<string, string>> =>
  status === 503 || type.endsWith(":request-in-flight")
    ? { "retry-after": retryAfter }
    : status === 413
      ? { connection: "close" }
      : {}

/** The problem's body. */
export const bodyOf = ({ kind, detail, errors }: Problem): ProblemBody => problemBody(kind, detail, errors)

/** The problem as a response of Effect. */
export const problemResponse = (problem: Problem): HttpServerResponse.HttpServerResponse => {
  const body = bodyOf(problem)
  const headers = { ...statusHeaders(body.status, body.type), ...problem.headers }
  return textResponse(JSON.stringify(body), problemMediaType, { status: body.status, headers })
}

/** Answers with the problem where Effect has not come into play yet. */
export const writeProblem = (response: ServerResponse, problem: Problem): void => {
  const body = bodyOf(problem)
  const text = JSON.stringify(body)
  response.writeHead(body.status, {
    ...statusHeaders(body.status, body.type),
    ...problem.headers,
    "content-type": problemMediaType,
    "content-length": String(Buffer.byteLength(text)),
  })
  response.end(text)
}
