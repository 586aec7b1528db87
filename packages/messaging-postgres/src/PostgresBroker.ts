import { SqlClient, type SqlError } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Broker, BrokerUnavailable, type PartitionBatch, type SubscribeOptions } from "@tandem/messaging/Broker"
import { nextId } from "@tandem/messaging/Ids"
import type { OutgoingMessage, ReceivedMessage } from "@tandem/messaging/Message"
import { migrate } from "@tandem/messaging/Migrations"
import { partitionOf } from "@tandem/messaging/Partitioner"
import { guardDefects } from "@tandem/messaging/Transaction"
import { Chunk, Context, Duration, Effect, Layer, Redacted, Ref, Schedule, Stream } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { brokerSchema } from "./BrokerSchema.js"
import * as Membership from "./Membership.js"

/** Which database carries the messages. */
export interface PostgresBrokerOptions {
  /** A database of the broker's own, `postgres://…`. */
  readonly url: Redacted.Redacted
  /** The most connections; 4 when absent. */
  readonly maxConnections?: number
}

/** One statement carries no more than this, in bytes of values; more goes in several, in order. */
const maximumStatementBytes = 4 * 1024 * 1024

/** How long a consumer with nothing to do waits before it looks again: there is no signal between processes. */
const pollInterval = Duration.millis(10)

/** How often a member shows that it lives, and stores its offsets. */
const beatInterval = Duration.seconds(1)

/** Without a beat for this long the partitions are somebody else's by now. */
const leaseTime = Duration.seconds(3)

/** How long messages are kept when nobody says, in ms: 30 days. */
const defaultRetention = 30 * 24 * 60 * 60 * 1_000

/** 100 ms, doubled up to 2 s, jittered, for ever: a service starts while its broker's database is away. */
const untilThere = Schedule.jittered(
  Schedule.delayed(Schedule.exponential("100 millis"), (delay) => Duration.min(delay, "2 seconds")),
)

const withSettings = (url: Redacted.Redacted, settings: string): Redacted.Redacted => {
  const address = new URL(Redacted.value(url))
  address.searchParams.set("options", settings)
  return Redacted.make(address.href)
}

/**
 * The broker on a PostgreSQL database: dense offsets, consumer groups with leases and epochs, retention by age. For one machine;
 * every message costs the database what Kafka was made to spare it. Waits for the database to be there.
 */
export const layer = (options: PostgresBrokerOptions): Layer.Layer<Broker, SqlError.SqlError> =>
  Layer.scoped(Broker, make(options))

const make = (options: PostgresBrokerOptions) =>
  Effect.gen(function* () {
    const client = (settings: string, maxConnections: number) =>
      PgClient.layer({
        url: withSettings(options.url, settings),
        maxConnections,
        applicationName: "tandem-broker",
        connectTimeout: "5 seconds",
      })
    yield* migrate([brokerSchema]).pipe(
      Effect.provide(client("-c statement_timeout=0", 1)),
      Effect.tapError((fault) => Effect.logDebug("the broker's database is not there yet", fault)),
      Effect.retry(untilThere),
      Effect.orDie,
    )
    const guarded = "-c lock_timeout=3000 -c statement_timeout=10000 -c idle_in_transaction_session_timeout=3000"
    const context = yield* Layer.build(client(guarded, options.maxConnections ?? 4))
    const sql = Context.get(context, SqlClient.SqlClient)
    const turn = yield* Effect.makeSemaphore(1)
    const topics = new Map<string, number>()
    const roundRobin = yield* Ref.make(0)
    yield* Effect.forkScoped(retain(sql))

    /** A service's own transaction stands in the fiber's context under a global tag: the broker's statements must not see it. */
    const alone = <A>(operation: BrokerUnavailable["operation"], self: Effect.Effect<A, SqlError.SqlError>) =>
      self.pipe(
        guardDefects,
        Effect.mapInputContext((outer: Context.Context<never>) => Context.omit(SqlClient.TransactionConnection)(outer)),
        Effect.mapError((cause) => new BrokerUnavailable({ operation, cause })),
        Effect.withTracerEnabled(false),
      )

    const partitionsOf = (topic: string) =>
      Effect.gen(function* () {
        const known = topics.get(topic)
        if (known !== undefined) return known
        const rows = yield* alone(
          "publish",
          sql<{ partitions: number }>`SELECT partitions FROM topics WHERE name = ${topic}`,
        )
        const partitions = rows[0]?.partitions
        if (partitions === undefined) {
          return yield* new BrokerUnavailable({ operation: "publish", cause: new Error(`there is no topic ${topic}`) })
        }
        topics.set(topic, partitions)
        return partitions
      })

    const publishSome = (messages: ReadonlyArray<OutgoingMessage>) =>
      Effect.gen(function* () {
        const partitions: Array<number> = []
        for (const { topic, key } of messages) {
          const count = yield* partitionsOf(topic)
          partitions.push(
            key === null ? (yield* Ref.getAndUpdate(roundRobin, (turn) => turn + 1)) % count : partitionOf(key, count),
          )
        }
        yield* alone(
          "publish",
          sql`SELECT publish(
            ${messages.map(({ topic }) => topic)}::text[], ${partitions}::integer[],
            ${messages.map(({ key }) => (key === null ? null : Buffer.from(key)))}::bytea[],
            ${messages.map(({ value }) => value)}::bytea[],
            ${messages.map(({ headers }) => JSON.stringify(headers))}::text[])`,
        )
      })

    return Broker.of({
      ensureTopics: (specs) =>
        alone(
          "ensureTopics",
          Effect.forEach(
            specs,
            ({ name, partitions, retentionMs = defaultRetention }) => sql`
              WITH made AS (
                INSERT INTO topics (name, partitions, retention)
                VALUES (${name}, ${partitions}, make_interval(secs => ${retentionMs / 1_000}))
                ON CONFLICT DO NOTHING RETURNING name, partitions
              )
              INSERT INTO partitions (topic, partition) SELECT name, generate_series(0, partitions - 1) FROM made`,
            { discard: true },
          ),
        ),
      publish: (messages) => turn.withPermits(1)(Effect.forEach(bounded(messages), publishSome, { discard: true })),
      subscribe: (subscription) => subscribe(sql, alone, subscription),
      ping: alone("ping", Effect.asVoid(sql`SELECT 1`)).pipe(
        Effect.timeoutFail({
          duration: "2 seconds",
          onTimeout: () => new BrokerUnavailable({ operation: "ping", cause: new Error("no answer within 2 s") }),
        }),
      ),
    })
  })

/** Parts that one statement can carry each, in order. */
const bounded = (messages: ReadonlyArray<OutgoingMessage>): ReadonlyArray<ReadonlyArray<OutgoingMessage>> => {
  const parts: Array<Array<OutgoingMessage>> = []
  let bytes = Number.POSITIVE_INFINITY
  for (const message of messages) {
    const size = (message.value?.byteLength ?? 0) + 200
    if (bytes + size > maximumStatementBytes) {
      parts.push([])
      bytes = 0
    }
    bytes += size
    parts.at(-1)?.push(message)
  }
  return parts
}

type Alone = <A>(
  operation: BrokerUnavailable["operation"],
  self: Effect.Effect<A, SqlError.SqlError>,
) => Effect.Effect<A, BrokerUnavailable>

const subscribe = (
  sql: SqlClient.SqlClient,
  alone: Alone,
  { group, topics, maxBatchMessages = 500 }: SubscribeOptions,
): Stream.Stream<PartitionBatch, BrokerUnavailable> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const membership = Membership.join(sql, group, topics, yield* nextId)
      yield* Effect.addFinalizer(() =>
        alone("subscribe", membership.leave).pipe(
          Effect.timeout("2 seconds"),
          // The lease runs out by itself.
          Effect.catchAll((fault) => Effect.logDebug("the partitions were not given back", fault)),
        ),
      )
      yield* alone("subscribe", membership.beat)
      // The stream fails when the member could not show a sign of life for as long as its lease: others may work by then.
      const heart = alone("subscribe", membership.beat).pipe(
        Effect.retry(Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurUpTo(leaseTime))),
        Effect.zipRight(Effect.sleep(beatInterval)),
        Effect.forever,
      )
      const batches = Stream.repeatEffectChunk(pull(sql, alone, membership, maxBatchMessages))
      return Stream.merge(batches, Stream.drain(Stream.fromEffect(heart)))
    }),
  )

interface RecordRow {
  readonly topic: string
  readonly partition: number
  readonly record_offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  readonly published_at: Date
  readonly next_offset: string
}

/** Waits until a partition without a batch at the consumer has something new; all that has is one chunk. */
const pull = (
  sql: SqlClient.SqlClient,
  alone: Alone,
  membership: Membership.Membership,
  limit: number,
): Effect.Effect<Chunk.Chunk<PartitionBatch>, BrokerUnavailable> =>
  Effect.gen(function* () {
    for (;;) {
      const idle = [...membership.owned.values()].filter((partition) => !partition.outstanding)
      if (idle.length > 0) {
        const rows = yield* alone(
          "subscribe",
          sql<RecordRow>`
            SELECT mine.topic, mine.partition, found.*, partitions.next_offset
            FROM unnest(
              ${idle.map(({ topic }) => topic)}::text[], ${idle.map(({ partition }) => partition)}::integer[],
              ${idle.map(({ position }) => position.toString())}::bigint[]
            ) AS mine (topic, partition, position)
            JOIN partitions ON partitions.topic = mine.topic AND partitions.partition = mine.partition
              AND partitions.next_offset > mine.position
            CROSS JOIN LATERAL (
              SELECT record_offset, key, value, headers, published_at FROM records
              WHERE records.topic = mine.topic AND records.partition = mine.partition
                AND record_offset >= mine.position
              ORDER BY record_offset LIMIT ${limit}
            ) AS found
            ORDER BY mine.topic, mine.partition, found.record_offset`,
        )
        const batches = idle.flatMap((partition) => toBatch(membership, partition, rows))
        if (batches.length > 0) return Chunk.unsafeFromArray(batches)
      }
      yield* Effect.sleep(pollInterval)
    }
  })

const toBatch = (
  membership: Membership.Membership,
  partition: Membership.Owned,
  rows: ReadonlyArray<RecordRow>,
): ReadonlyArray<PartitionBatch> => {
  // Given back or lost while the statement ran.
  if (membership.owned.get(Membership.keyOf(partition.topic, partition.partition)) !== partition) return []
  const mine = rows.filter((row) => row.topic === partition.topic && row.partition === partition.partition)
  const messages = mine.map(
    (row): ReceivedMessage => ({
      topic: row.topic,
      partition: row.partition,
      offset: BigInt(row.record_offset),
      timestamp: row.published_at.getTime(),
      key: row.key,
      value: row.value,
      headers: row.headers,
    }),
  )
  const last = messages.at(-1)
  if (!isNonEmptyArray(messages) || last === undefined) return []
  partition.outstanding = true
  partition.position = last.offset + 1n
  return [
    {
      topic: partition.topic,
      partition: partition.partition,
      messages,
      highWatermark: BigInt(mine[0]?.next_offset ?? "0"),
      acknowledge: Effect.sync(() => {
        partition.acknowledged = last.offset + 1n
        partition.outstanding = false
      }),
    },
  ]
}

/** Once a minute, the oldest messages of each partition in small steps; a step that fails is tried a minute later. */
const retain = (sql: SqlClient.SqlClient) =>
  sql`
    DELETE FROM records USING (
      SELECT oldest.* FROM partitions JOIN topics ON topics.name = partitions.topic
      CROSS JOIN LATERAL (
        SELECT topic, partition, record_offset, published_at FROM records
        WHERE records.topic = partitions.topic AND records.partition = partitions.partition
        ORDER BY record_offset LIMIT 1000
      ) AS oldest
      WHERE oldest.published_at < now() - topics.retention
    ) AS old
    WHERE records.topic = old.topic AND records.partition = old.partition AND records.record_offset = old.record_offset
    RETURNING 1`.pipe(
    guardDefects,
    Effect.repeat({ until: (deleted) => deleted.length === 0 }),
    Effect.catchAll((fault) => Effect.logWarning("old messages were not deleted, trying again in a minute", fault)),
    Effect.zipRight(Effect.sleep("1 minute")),
    Effect.forever,
    Effect.withTracerEnabled(false),
  )
