import { Config, ConfigError, Either, Option } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import { isLoopback } from "../Origins.js"
import type { AuthOptions } from "./Access.js"
import { type Algorithm, algorithms as allAlgorithms } from "./TokenVerifier.js"

/** Where a service listens, how it knows its callers, and how often each may call. */
export interface CallerConfig {
  readonly host: string
  readonly auth: AuthOptions
  /** Requests a second of each user and address; undefined is no limit. */
  readonly rateLimit: number | undefined
}

/** Requests a second where nobody has said a number and others reach the service: many more than a person makes. */
const generous = 1_000

const defaultAlgorithms: ReadonlyArray<Algorithm> = ["RS256", "ES256", "EdDSA"]

/** A variable that may be wrong without hiding what is wrong with the others: the text and, in `read`, what is to be thought of it. */
const text = (name: string, description: string) =>
  Config.string(name).pipe(Config.option, Config.withDescription(description))

const variables = Config.all({
  HOST: Config.string("HOST").pipe(
    Config.withDefault("127.0.0.1"),
    Config.withDescription("The address to listen on; one that others reach needs AUTH_JWKS_URL, or AUTH=off"),
  ),
  AUTH: text("AUTH", "`off` lets everybody who reaches the service do everything"),
  AUTH_JWKS_URL: text(
    "AUTH_JWKS_URL",
    "Where the issuer of tokens publishes its keys; with it callers must send `Authorization: Bearer`",
  ),
  AUTH_ISSUER: text("AUTH_ISSUER", "The `iss` that a token must have"),
  AUTH_AUDIENCE: text("AUTH_AUDIENCE", "What must be among a token's `aud`"),
  AUTH_ALGORITHMS: Config.string("AUTH_ALGORITHMS").pipe(
    Config.withDefault(defaultAlgorithms.join(",")),
    Config.withDescription("The signatures that count, separated by commas"),
  ),
  RATE_LIMIT: text(
    "RATE_LIMIT",
    `Requests a second of each user, and of each address without a good token, or \`off\`; off on loopback without auth, ${generous} elsewhere when absent`,
  ),
})

/** https, or this very machine: who can change the keys on their way is everybody's master. */
const isTrustworthy = ({ protocol, hostname, username, password }: URL): boolean =>
  (protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[|\]$/g, "")))) &&
  username === "" &&
  password === ""

const isAlgorithm = (name: string): name is Algorithm => allAlgorithms.some((algorithm) => algorithm === name)

const read = (given: Config.Config.Success<typeof variables>): Either.Either<CallerConfig, ConfigError.ConfigError> => {
  const faults: Array<ConfigError.ConfigError> = []
  const fault = (name: keyof typeof given, message: string) => {
    faults.push(ConfigError.InvalidData([name], message))
  }
  const { HOST: host, AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = given
  const isOff = Option.contains(given.AUTH, "off")
  const whole = { AUTH_JWKS_URL: given.AUTH_JWKS_URL, AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience }
  const names = ["AUTH_JWKS_URL", "AUTH_ISSUER", "AUTH_AUDIENCE"] as const
  const missing = names.filter((name) => Option.isNone(whole[name]) || whole[name].value === "")
  const isWanted = missing.length < names.length

  if (host === "" || (!isWanted && !isOff && !isLoopback(host))) {
    fault(
      "HOST",
      "is reached from other machines, and nobody would be asked who he is: listen on 127.0.0.1, set AUTH_JWKS_URL, AUTH_ISSUER and AUTH_AUDIENCE, or say AUTH=off",
    )
  }
  if (Option.isSome(given.AUTH) && !isOff) fault("AUTH", "can only be off")
  if (isOff && isWanted) fault("AUTH", "is off, but an issuer of tokens is configured: leave one of them out")
  const jwksUrl = Option.filter(
    Option.flatMap(given.AUTH_JWKS_URL, (url) => (URL.canParse(url) ? Option.some(new URL(url)) : Option.none())),
    isTrustworthy,
  )
  for (const name of isWanted && !isOff ? missing : []) {
    fault(name, "must be set, for auth is configured as a whole or not at all")
  }
  if (Option.isNone(jwksUrl) && !missing.includes("AUTH_JWKS_URL")) {
    fault("AUTH_JWKS_URL", "must be an https:// address (http:// on loopback only), without a user or password")
  }
  const algorithms = given.AUTH_ALGORITHMS.split(",").map((name) => name.trim())
  if (!algorithms.every(isAlgorithm)) fault("AUTH_ALGORITHMS", `must be of ${allAlgorithms.join(", ")}`)
  const rateLimit = Option.getOrElse(given.RATE_LIMIT, () => (isWanted || !isLoopback(host) ? String(generous) : "off"))
  if (!/^(off|[1-9]\d{0,6})$/.test(rateLimit)) fault("RATE_LIMIT", "must be a whole number from 1 to 9999999, or off")

  if (isNonEmptyReadonlyArray(faults)) return Either.left(faults.reduce(ConfigError.And))
  return Either.right({
    host,
    auth:
      Option.isSome(jwksUrl) && Option.isSome(issuer) && Option.isSome(audience)
        ? {
            _tag: "Tokens",
            jwksUrl: jwksUrl.value,
            issuer: issuer.value,
            audience: audience.value,
            algorithms: algorithms.filter(isAlgorithm),
          }
        : { _tag: "Off" },
    rateLimit: rateLimit === "off" ? undefined : Number(rateLimit),
  })
}

/**
 * `HOST`, `AUTH`, `AUTH_JWKS_URL`, `AUTH_ISSUER`, `AUTH_AUDIENCE`, `AUTH_ALGORITHMS`, `RATE_LIMIT`. Auth is configured as a whole or not
 * at all; without it only loopback is listened on, unless `AUTH=off` says otherwise. All that is wrong is told at once.
 */
export const config: Config.Config<CallerConfig> = Config.mapOrFail(variables, read)
