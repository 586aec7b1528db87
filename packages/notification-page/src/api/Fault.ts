import type { ProblemBody, ProblemKind } from "@tandem/contracts/Problem"

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

/** One request. The services keep to their contract, so a good answer's body is taken for what it says. */
export const request = async <A>(service: ServiceName, method: "GET" | "POST", url: URL): Promise<Answer<A>> => {
  let response: Response
  let body: unknown
  try {
    response = await fetch(url, { method, cache: "no-store", signal: AbortSignal.timeout(timeout) })
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
