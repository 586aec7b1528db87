import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { describe, it } from "@effect/vitest"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { Broker, type PartitionBatch } from "@tandem/messaging/Broker"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { transaction } from "@tandem/messaging/Transaction"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Chunk, Context, Effect, Exit, Layer, Redacted, Scope, Stream } from "effect"
import { expect } from "vitest"

const database = Effect.acquireRelease(
  Effect.promise(() => createTestDatabase()),
  ({ drop }) => Effect.promise(() => drop()),
)

const connect = (url: string) =>
  Effect.map(Layer.build(Layer.fresh(PostgresBroker.layer({ url: Redacted.make(url) }))), Context.get(Broker))

const sqlOf = (url: string) =>
  Effect.map(Layer.build(PgClient.layer({ url: Redacted.make(url) })), Context.get(SqlClient.SqlClient))

const message = (key: string, value: string): OutgoingMessage => ({
  topic: "things",
  key,
  value: new TextEncoder().encode(value),
  headers: {},
})

const text = (batches: Iterable<PartitionBatch>) =>
  [...batches].flatMap((batch) =>
    batch.messages.map((received) => new TextDecoder().decode(received.value ?? undefined)),
  )

/** The next `count` messages of a group, acknowledged as they come. */
const take = (broker: Context.Tag.Service<Broker>, group: string, count: number) =>
  broker.subscribe({ group, topics: ["things"] }).pipe(
    Stream.tap((batch) => batch.acknowledge),
    Stream.scan({ seen: 0, batches: Chunk.empty<PartitionBatch>() }, ({ seen, batches }, batch) => ({
      seen: seen + batch.messages.length,
      batches: Chunk.append(batches, batch),
    })),
    Stream.takeUntil(({ seen }) => seen >= count),
    Stream.runLast,
    Effect.map((last) => (last._tag === "Some" ? last.value.batches : Chunk.empty<PartitionBatch>())),
    Effect.timeout("20 seconds"),
  )

describe("PostgresBroker", () => {
  it.scopedLive("boots in several instances at once on an empty database", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const brokers = yield* Effect.all([connect(url), connect(url), connect(url), connect(url)], {
        concurrency: "unbounded",
      })
      yield* Effect.forEach(brokers, (broker) => broker.ensureTopics([{ name: "things", partitions: 4 }]), {
        concurrency: "unbounded",
      })
      yield* Effect.forEach(brokers, (broker) => broker.ping)
    }),
  )

  it.scopedLive("gives dense offsets under concurrent publishers, some of whose transactions fail", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const [one, two] = yield* Effect.all([connect(url), connect(url)])
      yield* one.ensureTopics([{ name: "things", partitions: 2 }])
      const sql = yield* sqlOf(url)
      const failing = Effect.ignore(
        sql.withTransaction(
          Effect.zipRight(
            sql`SELECT publish(ARRAY['things'], ARRAY[0], ARRAY[NULL::bytea], ARRAY['x'::bytea], ARRAY['{}'])`,
            Effect.fail("rolled back"),
          ),
        ),
      )
      yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => index),
        (index) =>
          index % 5 === 0
            ? failing
            : (index % 2 === 0 ? one : two).publish([message(`k${index}`, "a"), message("k", "b")]),
        { concurrency: 12, discard: true },
      )
      const rows = yield* sql<{ holes: string }>`
        SELECT sum(next_offset - (SELECT count(*) FROM records r WHERE r.topic = p.topic AND r.partition = p.partition)
          + coalesce((SELECT min(record_offset) FROM records r WHERE r.topic = p.topic AND r.partition = p.partition), 0)) AS holes
        FROM partitions p`
      expect(rows[0]?.holes).toBe("0")
    }),
  )

  it.scopedLive("is blind to the transaction of the service that calls it", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const own = yield* database
      const broker = yield* connect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      const sql = yield* sqlOf(own.url)
      yield* transaction(Effect.zipRight(broker.publish([message("k", "kept")]), Effect.fail("rolled back"))).pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.flip,
      )
      expect(text(yield* take(broker, "g", 1))).toEqual(["kept"])
    }),
  )

  it.scopedLive("gives a dead member's partitions to another, from the last stored offset", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 2 }])
      yield* broker.publish([message("a", "1"), message("b", "2")])
      const sql = yield* sqlOf(url)
      expect(text(yield* take(broker, "g", 2)).sort()).toEqual(["1", "2"])
      // A member that never said goodbye: it owns everything, and its lease runs out.
      yield* sql`UPDATE group_partitions SET owner = uuidv7(), epoch = epoch + 1, expires_at = clock_timestamp() + interval '1 second'`
      yield* broker.publish([message("a", "3"), message("b", "4")])
      expect(text(yield* take(broker, "g", 2)).sort()).toEqual(["3", "4"])
    }),
  )

  it.scopedLive("refuses the offset of a zombie", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      yield* broker.publish([message("a", "1")])
      const sql = yield* sqlOf(url)
      const scope = yield* Scope.make()
      const batch = yield* broker
        .subscribe({ group: "g", topics: ["things"] })
        .pipe(Stream.toPull, Effect.flatten, Effect.map(Chunk.unsafeHead), Scope.extend(scope))
      yield* sql`UPDATE group_partitions SET owner = uuidv7(), epoch = epoch + 1, expires_at = clock_timestamp() + interval '1 minute'`
      yield* batch.acknowledge
      yield* Scope.close(scope, Exit.void)
      const rows = yield* sql<{ committed: string }>`SELECT committed FROM group_partitions`
      expect(rows.map((row) => row.committed)).toEqual(["0"])
    }),
  )

  it.scopedLive("carries more than one statement can, in order", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      const big = "x".repeat(899_000)
      yield* broker.publish(Array.from({ length: 12 }, (_, index) => message("k", `${index}${big}`)))
      expect(text(yield* take(broker, "g", 12)).map((value) => value.length - big.length)).toEqual([
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2,
      ])
    }),
  )
})
