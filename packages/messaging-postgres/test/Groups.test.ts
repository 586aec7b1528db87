import { describe, it } from "@effect/vitest"
import { nextId } from "@tandem/messaging/Ids"
import * as GroupTable from "@tandem/messaging-postgres/GroupTable"
import { Effect, Exit, Queue, Scope } from "effect"
import { expect } from "vitest"
import { connect, database, eager, inspect, member, message, soon, texts, until } from "./database.js"
import * as FreezableLink from "./FreezableLink.js"

const keys = Array.from({ length: 32 }, (_, index) => `k${index}`)

/** How many partitions each owner holds, the most first. */
const holdings = (sql: Effect.Effect.Success<ReturnType<typeof inspect>>) =>
  Effect.map(
    sql<{ readonly held: number }>`
      SELECT count(*)::integer AS held FROM group_partitions WHERE owner IS NOT NULL GROUP BY owner ORDER BY 1 DESC`,
    (rows) => rows.map(({ held }) => held),
  )

/** Waits until so many members have renewed themselves for so long. */
const beaten = (sql: Effect.Effect.Success<ReturnType<typeof inspect>>, during: string, members: number) =>
  Effect.gen(function* () {
    const [start] = yield* sql<{ readonly latest: Date }>`SELECT max(expires_at) AS latest FROM group_members`
    const latest = start?.latest ?? new Date()
    yield* until(
      Effect.map(
        sql`SELECT 1 FROM group_members WHERE expires_at > ${latest}::timestamptz + ${during}::interval`,
        (rows) => rows.length === members,
      ),
    )
  })

const topic = (partitions: number) => [{ name: "things", partitions }]

describe("PostgresBroker: consumer groups", () => {
  it.scopedLive("shares the partitions out when a member joins, and again when it leaves", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics(topic(8))
      const first = yield* eager(broker)
      yield* until(Effect.map(holdings(sql), (held) => held.join() === "8"))
      const scope = yield* Scope.make()
      const second = yield* Scope.extend(eager(broker), scope)
      yield* until(Effect.map(holdings(sql), (held) => held.join() === "4,4"))
      yield* broker.publish(keys.map((key) => message(key, key)))
      yield* until(Effect.sync(() => first.length + second.length >= keys.length))
      expect([...first, ...second].sort()).toEqual([...keys].sort())
      expect(second.length).toBeGreaterThan(0)
      yield* Scope.close(scope, Exit.void)
      yield* until(Effect.map(holdings(sql), (held) => held.join() === "8"))
      const rows = yield* sql`SELECT member FROM group_members`
      expect(rows).toHaveLength(1)
    }),
  )

  it.scopedLive("surrenders a partition only after its batch in hand, with the offset behind it", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics(topic(2))
      yield* broker.publish(keys.map((key) => message(key, key)))
      const first = yield* member(broker)
      const batches = yield* soon(Queue.takeN(first, 2))
      const second = yield* eager(broker)
      yield* until(Effect.map(sql`SELECT 1 FROM group_members`, (rows) => rows.length === 2))
      // Both beat twice and more from here on: whatever the newcomer could get too early, it has by then.
      yield* beaten(sql, "2 seconds", 2)
      expect(yield* holdings(sql)).toEqual([2])
      for (const batch of batches) yield* batch.acknowledge
      yield* until(Effect.map(holdings(sql), (held) => held.join() === "1,1"))
      yield* broker.publish([message("after-1", "after"), message("after-2", "after"), message("after-5", "after")])
      yield* until(Effect.sync(() => second.length > 0))
      expect(new Set(second)).toEqual(new Set(["after"]))
    }),
  )

  it.scopedLive(
    "gives the partitions of a frozen member to another; woken, its offsets are refused and it reads no further",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const link = yield* FreezableLink.make(url)
        const stopped = yield* connect(link.url)
        const alive = yield* connect(url)
        const sql = yield* inspect(url)
        yield* alive.ensureTopics(topic(1))
        yield* alive.publish([message("k", "1"), message("k", "2")])
        const first = yield* member(stopped, { maxBatchMessages: 1 })
        const batch = yield* soon(Queue.take(first))
        expect(texts(batch)).toEqual(["1"])
        yield* link.freeze
        const second = yield* member(alive)
        const whole = yield* soon(Queue.take(second))
        expect(texts(whole)).toEqual(["1", "2"])
        yield* batch.acknowledge
        yield* link.thaw
        // Both have shown signs of life since: the sleeper is awake and knows.
        yield* until(
          Effect.map(
            sql`SELECT 1 FROM group_members WHERE expires_at > clock_timestamp()`,
            (rows) => rows.length === 2,
          ),
        )
        const rows = yield* sql`SELECT committed, epoch FROM group_partitions`
        expect(rows).toEqual([{ committed: "0", epoch: "2" }])
        expect(yield* Queue.size(first)).toBe(0)
        yield* whole.acknowledge
        yield* until(
          Effect.map(
            sql`SELECT 1 FROM group_partitions WHERE committed = 2 AND epoch = 2`,
            (found) => found.length === 1,
          ),
        )
        expect(yield* Queue.size(first)).toBe(0)
      }),
  )

  it.scopedLive("gives a free lease to one of several who reach for it at once", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics(topic(8))
      const wanted = Array.from({ length: 8 }, (_, partition) => ({ topic: "things", partition }))
      const taken = yield* Effect.forEach(
        Array.from({ length: 6 }),
        () =>
          Effect.flatMap(nextId, (id) => GroupTable.take(sql, { group: "g", member: id, topics: ["things"] }, wanted)),
        { concurrency: "unbounded" },
      )
      expect(taken.flat()).toHaveLength(8)
    }),
  )

  it.scopedLive("reads nothing under a lease that it has lost, even before it knows", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics(topic(1))
      yield* broker.publish([message("k", "1")])
      const batches = yield* member(broker)
      yield* Effect.flatMap(soon(Queue.take(batches)), (batch) => batch.acknowledge)
      yield* until(Effect.map(sql`SELECT 1 FROM group_partitions WHERE committed = 1`, (rows) => rows.length === 1))
      yield* sql.withTransaction(
        Effect.zipRight(
          sql`
            UPDATE group_partitions SET owner = gen_random_uuid(), epoch = epoch + 1,
              expires_at = clock_timestamp() + interval '1 minute'`,
          sql`SELECT publish(ARRAY['things'], ARRAY[0], ARRAY[NULL::bytea], ARRAY['x'::bytea], ARRAY['{}'])`,
        ),
      )
      yield* beaten(sql, "1 second", 1)
      expect(yield* Queue.size(batches)).toBe(0)
    }),
  )

  it.scopedLive("keeps a member's leases while it works on a batch for longer than a lease lasts", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics(topic(1))
      yield* broker.publish([message("k", "1")])
      const first = yield* member(broker)
      const batch = yield* soon(Queue.take(first))
      const waiting = yield* member(broker)
      yield* until(Effect.map(sql`SELECT 1 FROM group_members`, (rows) => rows.length === 2))
      yield* beaten(sql, "4 seconds", 2)
      expect(yield* sql`SELECT epoch FROM group_partitions`).toEqual([{ epoch: "1" }])
      expect(yield* Queue.size(waiting)).toBe(0)
      yield* batch.acknowledge
    }),
  )

  it.scopedLive("stores what was acknowledged when the subscription ends, and no more", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      yield* broker.ensureTopics(topic(1))
      yield* broker.publish([message("k", "1"), message("k", "2"), message("k", "3")])
      const scope = yield* Scope.make()
      const first = yield* Scope.extend(member(broker, { maxBatchMessages: 1 }), scope)
      yield* Effect.flatMap(soon(Queue.take(first)), (batch) => batch.acknowledge)
      expect(texts(yield* soon(Queue.take(first)))).toEqual(["2"])
      yield* Scope.close(scope, Exit.void)
      const second = yield* member(broker)
      expect(texts(yield* soon(Queue.take(second)))).toEqual(["2", "3"])
    }),
  )

  it.scopedLive("waits for a topic that is not there yet", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      const seen = yield* eager(broker)
      yield* broker.ping
      yield* until(Effect.map(sql`SELECT 1 FROM group_members`, (rows) => rows.length === 1))
      yield* broker.ensureTopics(topic(3))
      yield* broker.publish([message("k", "late")])
      yield* until(Effect.sync(() => seen.length === 1))
    }),
  )
})
