import type { SqlError } from "@effect/sql"
import { Broker, BrokerUnavailable, type TopicSpec } from "@tandem/messaging/Broker"
import { Config, type ConfigError, type Duration, Effect, Layer, type Redacted } from "effect"
import * as BrokerDatabase from "./BrokerDatabase.js"
import * as Publisher from "./Publisher.js"
import * as Retention from "./Retention.js"
import * as Subscription from "./Subscription.js"
import * as TopicTable from "./TopicTable.js"

/** How a service uses a PostgreSQL database as its broker. */
export interface PostgresBrokerOptions {
  /** `postgres://user:password@host:port/database`: a database for the broker alone, shared by all services. */
  readonly url: Redacted.Redacted | string
  /** The most connections of this process, 6 when absent; two more are kept for migrations and retention. */
  readonly maxConnections?: number
  /** How the connections are called in `pg_stat_activity`; `broker` when absent. */
  readonly applicationName?: string
  /** How often records that are older than their topic keeps them are deleted; every minute when absent. */
  readonly retentionInterval?: Duration.DurationInput
}

const pingPatience = "2 seconds"
const topicsPatience = "12 seconds"

const make = (options: PostgresBrokerOptions) =>
  Effect.gen(function* () {
    const database = yield* BrokerDatabase.make({
      url: options.url,
      maxConnections: options.maxConnections ?? 6,
      applicationName: options.applicationName ?? "broker",
    })
    yield* Retention.run(database, options.retentionInterval ?? "1 minute")
    const publish = yield* Publisher.make(database)
    return Broker.of({
      ensureTopics: (topics: ReadonlyArray<TopicSpec>) =>
        database.run(TopicTable.ensure(database.sql, topics)).pipe(
          BrokerDatabase.answeredWithin(topicsPatience),
          Effect.mapError(
            (fault) => new BrokerUnavailable({ operation: "ensureTopics", cause: BrokerDatabase.reason(fault) }),
          ),
        ),
      publish,
      subscribe: (subscribe) => Subscription.make(database, subscribe),
      ping: database.run(database.sql`SELECT 1`).pipe(
        BrokerDatabase.answeredWithin(pingPatience),
        Effect.mapError((fault) => new BrokerUnavailable({ operation: "ping", cause: BrokerDatabase.reason(fault) })),
        Effect.asVoid,
        Effect.withTracerEnabled(false),
      ),
    })
  })

/**
 * The broker on a PostgreSQL database, for one machine: dense offsets, consumer groups with leases (a member that died or is frozen
 * is replaced within 5 s), retention by age. The layer is built at once, also while the database is away: tables are made by the
 * first call that reaches it, safe when several instances start together. The database's client stays private, and every call runs
 * outside of the transaction that its caller may be in.
 */
export const layer = (options: PostgresBrokerOptions): Layer.Layer<Broker, SqlError.SqlError> =>
  Layer.scoped(Broker, make(options))

/** `layer`, its options read from configuration. */
export const layerConfig = (
  options: Config.Config.Wrap<PostgresBrokerOptions>,
): Layer.Layer<Broker, SqlError.SqlError | ConfigError.ConfigError> =>
  Layer.scoped(Broker, Effect.flatMap(Config.unwrap(options), make))
