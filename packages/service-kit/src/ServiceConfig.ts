import { Config, ConfigError, Duration, Either, Redacted } from "effect"
import type { AuthOptions } from "./auth/Access.js"
import * as AuthConfig from "./auth/AuthConfig.js"

/** Where the messages go. */
export type BrokerUrl =
  /** `kafka://h1:9092,h2:9092` */
  | { readonly _tag: "Kafka"; readonly brokers: ReadonlyArray<string> }
  /** `postgres://…`, a database of its own */
  | { readonly _tag: "Postgres"; readonly url: Redacted.Redacted }

/** What every service is told from outside. */
export interface ServiceConfig {
  /** 0 takes any free port. */
  readonly port: number
  readonly host: string
  readonly auth: AuthOptions
  /** Requests a second of each user and address; undefined is no limit. */
  readonly rateLimit: number | undefined
  readonly databaseUrl: Redacted.Redacted
  readonly databasePoolSize: number
  readonly brokerUrl: BrokerUrl
  /** The client that speaks to Kafka; of no meaning with another broker. */
  readonly kafkaClient: "kafkajs" | "platformatic"
  readonly inboxRetention: Duration.Duration
  readonly corsOrigins: ReadonlyArray<string>
}

/** What differs from service to service. */
export interface ServiceDefaults {
  readonly port: number
  /** Origins of pages that may call the service from elsewhere; none when absent. */
  readonly corsOrigins?: ReadonlyArray<string>
}

const invalid = (message: string) => Either.left(ConfigError.InvalidData([], message))

const integer = (name: string, least: number, most: number) =>
  Config.mapOrFail(Config.string(name), (text) => {
    const value = Number(text)
    return /^\d+$/.test(text) && value >= least && value <= most
      ? Either.right(value)
      : invalid(`must be a whole number between ${least} and ${most}`)
  })

const port = (standard: number) =>
  integer("PORT", 0, 65_535).pipe(
    Config.withDefault(standard),
    Config.withDescription("The port to listen on; 0 takes any free one"),
  )

const isPostgresUrl = (text: string) => /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text)

const databaseUrl = Config.string("DATABASE_URL").pipe(
  Config.mapOrFail((text) =>
    isPostgresUrl(text)
      ? Either.right(Redacted.make(text))
      : invalid("must be an address such as postgres://user:password@host:5432/database"),
  ),
  Config.withDescription("The service's own PostgreSQL database, `postgres://…`"),
)

const databasePoolSize = integer("DATABASE_POOL_SIZE", 1, 1_000).pipe(
  Config.withDefault(10),
  Config.withDescription("The most connections to the database at once"),
)

const brokerUrl = Config.string("BROKER_URL").pipe(
  Config.mapOrFail((text): Either.Either<BrokerUrl, ConfigError.ConfigError> => {
    if (isPostgresUrl(text)) return Either.right({ _tag: "Postgres", url: Redacted.make(text) })
    const brokers = /^kafka:\/\/([^/]+)\/?$/.exec(text)?.[1]?.split(",") ?? []
    return brokers.length > 0 && brokers.every((broker) => /^[^\s:@]+:\d{1,5}$/.test(broker))
      ? Either.right({ _tag: "Kafka", brokers })
      : invalid("must be kafka://host:9092,host:9092 or postgres://user:password@host:5432/database")
  }),
  Config.withDescription("Where the messages go: `kafka://h1:9092,h2:9092` or `postgres://…`"),
)

const kafkaClient = Config.literal(
  "kafkajs",
  "platformatic",
)("KAFKA_CLIENT").pipe(
  Config.withDefault("kafkajs" as const),
  Config.withDescription("The client that speaks to Kafka: `kafkajs`, or `platformatic`, the faster one"),
)

const inboxRetention = Config.duration("INBOX_RETENTION").pipe(
  Config.validate({
    message: "must be longer than the 30 days for which the topics keep messages",
    validation: (kept) => Duration.greaterThan(kept, Duration.days(30)),
  }),
  Config.withDefault(Duration.days(35)),
  Config.withDescription(
    "How long message ids are remembered, so that none has its effect twice; longer than the topics' 30 days",
  ),
)

const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text

const corsOrigins = (standard: ReadonlyArray<string>) =>
  Config.string("CORS_ORIGINS").pipe(
    Config.mapOrFail((text) => {
      const origins = text.split(",").map((origin) => origin.trim())
      return origins.every(isOrigin)
        ? Either.right<ReadonlyArray<string>>(origins)
        : invalid("must be origins separated by commas, such as http://127.0.0.1:8080, without a path")
    }),
    Config.withDefault(standard),
    Config.withDescription("Origins of the pages that may call the service from elsewhere, separated by commas"),
  )

/**
 * Every variable that all services have; the README lists them. Reading it names every variable that is wrong or missing, not only the
 * first; no value appears in a message, for some are secrets.
 */
export const make = (defaults: ServiceDefaults): Config.Config<ServiceConfig> =>
  Config.all({
    port: port(defaults.port),
    callers: AuthConfig.config,
    databaseUrl,
    databasePoolSize,
    brokerUrl,
    kafkaClient,
    inboxRetention,
    corsOrigins: corsOrigins(defaults.corsOrigins ?? []),
  }).pipe(Config.map(({ callers, ...rest }) => ({ ...callers, ...rest })))
