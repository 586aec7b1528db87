import type { ProblemBody, ProblemKind } from "@tandem/contracts/Problem"
import { token } from "./Token.js"

/** The two services, as the page speaks of them. */
export type ServiceName = "orders" | "payments"

/** Why a request has no good answer. */
export type Fault =
  /** No answer came; whether the service did what was asked is not known. */
  | { readonly kind: "unreachable"; readonly service: ServiceName }
  /** An answer came that the contract does not know. */
  | { readonly kind: "unexpected"; readonly status: number }
  /** The service refused, as problem+json says (RFC 9457). */
  | { readonly kind: "problem"; readonly problem: ProblemKind; readonly details: ReadonlyArray<string> }

/** An answer's body, or why there is none. */
export type Answer<A> =
  | { readonly body: A; readonly fault?: undefined }
  | { readonly body?: undefined; readonly fault: Fault }

/** An answer takes no longer than this, in ms; a service that is down for longer is said to be. */
const timeout = 15_000

const prefix = "urn:tandem:problem:"

/** A command that had no answer is asked again after so many ms, under the same key, so that it cannot happen twice. */
const askAgainAfter = [1_000, 3_000]

/** A request that changes nothing. */
export const read = <A>(service: ServiceName, url: URL): Promise<Answer<A>> => once(service, "GET", url, {})

/**
 * A command. It has a key of its own (`Idempotency-Key`): when no answer comes it is asked again, and a service that had done it
 * already gives its first answer once more.
 */
export const command = async <A>(service: ServiceName, url: URL): Promise<Answer<A>> => {
  const headers = { "Idempotency-Key": crypto.randomUUID() }
  let answer = await once<A>(service, "POST", url, headers)
  for (const pause of askAgainAfter) {
    const isOpen =
      answer.fault?.kind === "unreachable" ||
      (answer.fault?.kind === "problem" && answer.fault.problem === "request-in-flight")
    if (!isOpen) return answer
    await new Promise((resolve) => setTimeout(resolve, pause))
    answer = await once<A>(service, "POST", url, headers)
  }
  return answer
}

/** The services keep to their contract, so a good answer's body is taken for what it says. */
const once = async <A>(
  service: ServiceName,
  method: "GET" | "POST",
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<Answer<A>> => {
  const known = token()
  const authorization = known === undefined ? {} : { Authorization: `Bearer ${known}` }
  let response: Response
  let body: unknown
  try {
    response = await fetch(url, {
      method,
      headers: { ...authorization, ...headers },
      cache: "no-store",
      signal: AbortSignal.timeout(timeout),
    })
    body = await response.json()
  } catch (error) {
    return error instanceof SyntaxError
      ? { fault: { kind: "unexpected", status: 0 } }
      : { fault: { kind: "unreachable", service } }
  }
  if (response.ok) return { body: body as A }
  return { fault: fromBody(body as Partial<ProblemBody>, response.status) }
}

const fromBody = (body: Partial<ProblemBody>, status: number): Fault =>
  body?.type?.startsWith(prefix)
    ? {
        kind: "problem",
        problem: body.type.slice(prefix.length) as ProblemKind,
        details: (body.errors ?? []).map(({ parameter, pointer, detail }) => {
          const place = parameter ?? pointer
          return place === undefined ? detail : `${place}: ${detail}`
        }),
      }
    : { kind: "unexpected", status }

/** The service asks who is calling, and nobody has said it, or not well. */
export const isUnauthorized = (fault: Fault | undefined): boolean =>
  fault?.kind === "problem" && fault.problem === "unauthorized"
