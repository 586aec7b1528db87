import { describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { expect } from "vitest"
import { connect, database, inspect, member, message, soon, texts, until } from "./database.js"

describe("PostgresBroker: the log", () => {
  it.scopedLive("refuses a message for a partition that is not there, and stores nothing of the call", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      const fault = yield* Effect.flip(broker.publish([message("k", "1"), message("k", "2", "nowhere")]))
      expect(fault.message).toContain("there is no topic nowhere")
      // Behind the broker's back, as when the database is made anew: what it knows of the topic is no longer true.
      yield* broker.publish([message("k", "1")])
      yield* sql`TRUNCATE topics, partitions, records`
      expect((yield* Effect.flip(broker.publish([message("k", "lost?")])))._tag).toBe("BrokerUnavailable")
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      yield* broker.publish([message("k", "kept")])
      expect(yield* sql`SELECT next_offset FROM partitions`).toEqual([{ next_offset: "1" }])
    }),
  )

  it.scopedLive("refuses a message over the limit as too large, before anything is stored", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      const fault = yield* Effect.flip(broker.publish([message("k", "small"), message("k", "x".repeat(900_001))]))
      expect(fault._tag).toBe("BatchTooLarge")
      expect(yield* sql`SELECT 1 FROM records`).toEqual([])
    }),
  )

  it.scopedLive("bounds a batch by its bytes as well", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      yield* broker.publish(Array.from({ length: 5 }, () => message("k", "x".repeat(600_000))))
      const batches = yield* member(broker)
      const sizes: Array<number> = []
      while (sizes.reduce((sum, size) => sum + size, 0) < 5) {
        const batch = yield* soon(Queue.take(batches))
        sizes.push(batch.messages.length)
        yield* batch.acknowledge
      }
      expect(sizes).toEqual([2, 2, 1])
    }),
  )

  it.scopedLive("spreads messages without a key over all partitions", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 4 }])
      yield* broker.publish(Array.from({ length: 8 }, (_, index) => message(null, String(index))))
      const rows = yield* sql<{ next_offset: string }>`SELECT next_offset FROM partitions`
      expect(rows.map(({ next_offset }) => next_offset)).toEqual(["2", "2", "2", "2"])
    }),
  )

  it.scopedLive("deletes what is older than its topic keeps it, and reads on behind the gap", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const sql = yield* inspect(url)
      const broker = yield* connect(url, { retentionInterval: "50 millis" })
      yield* broker.ensureTopics([
        { name: "things", partitions: 1, retentionMs: 60_000 },
        { name: "kept", partitions: 1 },
      ])
      yield* broker.publish([message("k", "old"), message("k", "old too"), message("k", "new")])
      yield* broker.publish([message("k", "old", "kept")])
      yield* sql`
        UPDATE records SET published_at = published_at - interval '2 minutes'
        WHERE topic = 'kept' OR record_offset < 2`
      yield* until(Effect.map(sql`SELECT 1 FROM records WHERE topic = 'things'`, (rows) => rows.length === 1))
      expect(yield* sql`SELECT 1 FROM records WHERE topic = 'kept'`).toHaveLength(1)
      const batch = yield* Effect.flatMap(member(broker), (batches) => soon(Queue.take(batches)))
      expect(texts(batch)).toEqual(["new"])
      expect(batch.messages[0].offset).toBe(2n)
      expect(batch.highWatermark).toBe(3n)
    }),
  )
})
