import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Context, Effect, Either, Layer, Runtime } from "effect"
import { type Problem, problemResponse } from "../ProblemDetails.js"
import type { ServiceResponse } from "../ServiceResponse.js"
import { anyone, type Caller } from "./Caller.js"
import * as KeySet from "./KeySet.js"
import * as RateLimiter from "./RateLimiter.js"
import * as TokenVerifier from "./TokenVerifier.js"

/** How callers are known. */
export type AuthOptions =
  /** Nobody is asked, and everybody may do everything. */
  | { readonly _tag: "Off" }
  /** By tokens of an issuer. */
  | ({ readonly _tag: "Tokens"; readonly jwksUrl: URL } & TokenVerifier.TokenRules)

/** Who may call, and how often. */
export interface AccessOptions {
  /** Off when absent. */
  readonly auth?: AuthOptions
  /** Requests a second, of each user, and of each address that no user is known of. No limit when absent. */
  readonly rateLimit?: number | undefined
}

/** A request is let in (undefined), refused, or will be one of both once its token is verified. */
export type Admission = Problem | undefined | Promise<Problem | undefined>

/** Who calls, and whether he calls too often. One place, before any route, any body and any fiber. */
export class Access extends Context.Tag("@tandem/service-kit/auth/Access")<
  Access,
  {
    /** False when everybody may do everything. */
    readonly authenticates: boolean
    /** Decides about a request; undefined when nothing is asked of any. `guarded`: it needs a caller. */
    readonly admit:
      | ((request: IncomingMessage, response: ServiceResponse | undefined, guarded: boolean) => Admission)
      | undefined
    /** Who makes an admitted, guarded request. Throws on any other, for such a route would be open to everybody. */
    readonly caller: (request: HttpServerRequest.HttpServerRequest) => Caller
    /** The same for a request that is not Effect's yet; undefined of any other. */
    readonly callerOf: (request: IncomingMessage) => Caller | undefined
    /** Who makes a request that no gate has looked at, such as an upgrade; or why it is refused. */
    readonly identify: (request: IncomingMessage) => Promise<Either.Either<Caller, Problem>>
  }
>() {
  /** Of one service; the issuer's keys are asked for at once, so that a wrong address is told in the log and not by the first user. */
  static readonly layer = (options: AccessOptions): Layer.Layer<Access> =>
    Layer.effect(
      Access,
      Effect.map(Effect.runtime<never>(), (runtime) =>
        Access.of(
          make(options, (fault) =>
            Runtime.runFork(runtime)(Effect.logWarning("the issuer's keys cannot be read, trying on", fault)),
          ),
        ),
      ),
    )
}

const make = (
  { auth = { _tag: "Off" }, rateLimit }: AccessOptions,
  onFault: (fault: unknown) => void,
): Context.Tag.Service<Access> => {
  const quota = rateLimit === undefined ? undefined : quotaOf(rateLimit)
  if (auth._tag === "Off") {
    return {
      authenticates: false,
      caller: () => anyone,
      callerOf: () => anyone,
      admit: quota && ((request, response) => quota(`address ${addressOf(request)}`, response)),
      identify: async (request) => {
        const refusal = quota?.(`address ${addressOf(request)}`, undefined)
        return refusal === undefined ? Either.right(anyone) : Either.left(refusal)
      },
    }
  }

  const keys = KeySet.make({ url: auth.jwksUrl, onFault })
  const verifier = TokenVerifier.make(auth, keys)
  // By the head, which a request keeps when its body is read before it is answered.
  const callers = new WeakMap<IncomingHttpHeaders, Caller>()
  void keys.refresh()

  const decide = (
    request: IncomingMessage,
    response: ServiceResponse | undefined,
    verdict: TokenVerifier.Verdict,
  ): Problem | undefined => {
    switch (verdict._tag) {
      case "Refused":
        return unauthorized(verdict.why, ', error="invalid_token"')
      case "Unknown":
        return { kind: "service-unavailable", detail: "Whether the token is good cannot be said at the moment." }
      case "Verified": {
        const { caller } = verdict
        callers.set(request.headers, caller)
        return caller._tag === "User" ? quota?.(`user ${caller.userId}`, response) : undefined
      }
    }
  }

  const admit = (request: IncomingMessage, response: ServiceResponse | undefined, guarded: boolean): Admission => {
    const token = tokenOf(request)
    if (guarded && token !== undefined) {
      const verdict = verifier.recall(token)
      if (verdict !== undefined) return decide(request, response, verdict)
    }
    // Whom nobody vouches for yet is counted by address: also the verification of bad tokens is paid for.
    const refusal = quota?.(`address ${addressOf(request)}`, response)
    if (refusal !== undefined || !guarded) return refusal
    if (token === undefined)
      return unauthorized("This needs a token, in a header that begins with Authorization: Bearer.", "")
    return verifier.verify(token).then((verdict) => decide(request, response, verdict))
  }

  const callerOf = (request: IncomingMessage) => callers.get(request.headers)

  return {
    authenticates: true,
    admit,
    callerOf,
    caller: (request) => known(callerOf(NodeHttpServerRequest.toIncomingMessage(request))),
    identify: async (request) => {
      const refusal = await admit(request, undefined, true)
      return refusal === undefined ? Either.right(known(callerOf(request))) : Either.left(refusal)
    },
  }
}

const known = (caller: Caller | undefined): Caller => {
  if (caller === undefined) throw new Error("a route asks for the caller, and its requests are not guarded")
  return caller
}

/** 403 for who may not do this without a scope that the token does not have (RFC 6750, 3.1). */
export const insufficientScope = (scope: string): HttpServerResponse.HttpServerResponse =>
  problemResponse({
    kind: "forbidden",
    detail: `This needs a token with the scope ${scope}.`,
    headers: { "www-authenticate": `Bearer realm="tandem", error="insufficient_scope", scope="${scope}"` },
  })

/** RFC 6750, 2.1; the scheme in any case (RFC 9110, 11.1). */
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i

/** None when there are two, of which Node keeps the first and a proxy may have looked at the other. */
const tokenOf = ({ headers: { authorization }, rawHeaders }: IncomingMessage): string | undefined => {
  if (authorization === undefined) return undefined
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "authorization") count++
  }
  return count === 1 ? bearer.exec(authorization)?.[1] : undefined
}

const unauthorized = (detail: string, error: string): Problem => ({
  kind: "unauthorized",
  detail,
  headers: { "www-authenticate": `Bearer realm="tandem"${error}` },
})

const addressOf = ({ socket }: IncomingMessage): string => RateLimiter.networkOf(socket.remoteAddress ?? "")

/** Takes a request off a key's allowance and says what is left, in the headers of draft-ietf-httpapi-ratelimit-headers-10. */
const quotaOf = (perSecond: number) => {
  const limiter = RateLimiter.make(perSecond)
  const policy = `"default";q=${perSecond};w=1`
  return (key: string, response: ServiceResponse | undefined): Problem | undefined => {
    const { allowed, remaining } = limiter.take(key)
    const headers = { "ratelimit-policy": policy, ratelimit: `"default";r=${remaining};t=1` }
    if (response !== undefined) response.quota = headers
    if (allowed) return undefined
    return {
      kind: "too-many-requests",
      detail: `No more than ${perSecond} requests a second, please.`,
      headers: { ...headers, "retry-after": "1" },
    }
  }
}
