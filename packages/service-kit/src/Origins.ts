import type { IncomingMessage } from "node:http"
import { Context } from "effect"
import type { Problem } from "./ProblemDetails.js"

/** How a `Host` header names this very machine. */
const loopbackNames = new Set(["127.0.0.1", "localhost", "[::1]"])

/** Whether only this machine reaches a service that is bound to this address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host)

/** Where a service listens, and whose pages may call it. */
export interface OriginOptions {
  /** The address that the service is bound to. */
  readonly host: string
  /** Origins of pages that may call the service from elsewhere, such as `http://127.0.0.1:8080`. */
  readonly corsOrigins: ReadonlyArray<string>
}

/** What a page of another origin may read of an answer, beside what every page may. */
const exposed =
  "Location, ETag, Retry-After, Idempotent-Replayed, WWW-Authenticate, RateLimit, RateLimit-Policy, X-Request-Id"

/** Methods that change nothing; a page's GET from elsewhere needs no gate, for its answer stays closed to the page. */
const safeMethods = new Set(["GET", "HEAD", "OPTIONS"])

/**
 * The gate against other people's web pages. A POST without a body needs no preflight, so any page in the user's browser could move
 * money on a service that listens on loopback; and a name that its owner points at 127.0.0.1 makes a page appear as the service's own.
 */
export class Origins extends Context.Tag("@tandem/service-kit/Origins")<
  Origins,
  {
    /**
     * Why a request is refused, undefined when it is not: on a loopback bind its `Host` must be a loopback name, and an unsafe
     * method or an upgrade must come without `Origin`, from the service's own, or from a listed one.
     */
    readonly refuse: (request: IncomingMessage) => Problem | undefined
    /** The CORS headers for the answer to a request: none without a listed `Origin`. */
    readonly corsHeaders: (request: IncomingMessage) => Readonly<Record<string, string>>
    /** The answer's headers to a preflight, undefined when the request is none. */
    readonly preflight: (request: IncomingMessage) => Readonly<Record<string, string>> | undefined
  }
>() {}

/** The gate of a service. */
export const make = ({ host, corsOrigins }: OriginOptions): Context.Tag.Service<Origins> => {
  const listed = new Set(corsOrigins)
  const names = isLoopback(host) ? new Set([...loopbackNames, host]) : undefined
  const varying = { vary: "Origin" }
  const none = {}

  const isOwn = (origin: string, request: IncomingMessage) => {
    const authority = /^https?:\/\/([^/]+)$/.exec(origin)?.[1]
    return authority !== undefined && authority === request.headers.host
  }

  const refuse = (request: IncomingMessage): Problem | undefined => {
    const { host: authority, origin, upgrade } = request.headers
    if (authority === undefined) {
      // HTTP/1.0 knows none, and health checks speak it; no browser does.
      if (request.httpVersion !== "1.0") {
        return { kind: "invalid-request", detail: "A request must have a Host header." }
      }
    } else if (hosts(request) > 1) {
      return { kind: "invalid-request", detail: "A request must have one Host header." }
    } else if (names !== undefined && !names.has(nameOf(authority))) {
      return { kind: "forbidden", detail: "This service listens on loopback, and the Host header must say so." }
    }
    if (origin === undefined || (upgrade === undefined && safeMethods.has(request.method ?? ""))) return undefined
    return listed.has(origin) || isOwn(origin, request)
      ? undefined
      : { kind: "forbidden", detail: "Pages of this origin may not do that." }
  }

  const corsHeaders = (request: IncomingMessage) => {
    const origin = request.headers.origin
    if (origin === undefined || !listed.has(origin)) return listed.size === 0 ? none : varying
    return {
      ...varying,
      "access-control-allow-origin": origin,
      "access-control-expose-headers": exposed,
    }
  }

  const preflight = (request: IncomingMessage) => {
    const { origin } = request.headers
    const asked = request.headers["access-control-request-method"]
    if (request.method !== "OPTIONS" || origin === undefined || asked === undefined || !listed.has(origin))
      return undefined
    return {
      "access-control-allow-methods": "GET, HEAD, POST",
      "access-control-allow-headers": "Content-Type, Idempotency-Key, If-None-Match, Authorization, Last-Event-ID",
      "access-control-max-age": "600",
    }
  }

  return { refuse, corsHeaders, preflight }
}

/** How often `Host` was given; Node keeps the first and says nothing. */
const hosts = ({ rawHeaders }: IncomingMessage): number => {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === "host") count++
  }
  return count
}

/** The host without its port, in lower case. */
const nameOf = (authority: string): string => authority.toLowerCase().replace(/:\d*$/, "")
