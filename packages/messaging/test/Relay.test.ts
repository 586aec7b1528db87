import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { describe, it } from "@effect/vitest"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import { transaction } from "@tandem/messaging/Transaction"
import { Deferred, Effect, Exit, Fiber, Layer, Ref, Scope } from "effect"
import { expect } from "vitest"
import * as OutboxTable from "../src/internal/OutboxTable.js"
import { database, until } from "./database.js"
import { scripted } from "./ScriptedBroker.js"

const message = (key: string, value: number): OutgoingMessage => ({
  topic: "things",
  key,
  value: new TextEncoder().encode(String(value)),
  headers: {},
})

const add = (...messages: ReadonlyArray<OutgoingMessage>) =>
  Effect.flatMap(Outbox, (outbox) => Outbox.transaction(outbox.add(messages)))

const text = (sent: OutgoingMessage) => `${sent.key}${new TextDecoder().decode(sent.value ?? undefined)}`

/** What a consumer with an inbox sees: first appearances. */
const firsts = (sent: ReadonlyArray<OutgoingMessage>) => [...new Set(sent.map(text))]

const empty = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql`SELECT 1 FROM outbox_events LIMIT 1`).length === 0
})

const layer = Layer.provideMerge(Outbox.layer, database)

describe("Relay", () => {
  it.scopedLive("publishes in order and empties the outbox", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      yield* Layer.build(Layer.provide(Relay.layer({ batchSize: 7 }), broker))
      const all = Array.from({ length: 100 }, (_, index) => message("a", index))
      yield* add(...all)
      yield* until(empty)
      expect((yield* Ref.get(script.published)).map(text)).toEqual(all.map(text))
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("survives a broker that fails or loses its answer, and keeps the order of first appearance", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      yield* Ref.set(script.faults, ["fail", "lose-ack", "ok", "fail", "lose-ack", "lose-ack"])
      yield* Layer.build(Layer.provide(Relay.layer({ batchSize: 5 }), broker))
      const all = Array.from({ length: 40 }, (_, index) => message("a", index))
      yield* add(...all)
      yield* until(empty)
      expect(firsts(yield* Ref.get(script.published))).toEqual(all.map(text))
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("goes on after a fault that nobody foresaw", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      yield* Ref.set(
        script.beforePublish,
        Effect.zipRight(Ref.set(script.beforePublish, Effect.void), Effect.die("a bug")),
      )
      yield* Layer.build(Layer.provide(Relay.layer(), broker))
      yield* add(message("a", 1))
      yield* until(empty)
      expect((yield* Ref.get(script.published)).map(text)).toEqual(["a1"])
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("deletes a row only after the broker has acknowledged it", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      const sql = yield* SqlClient.SqlClient
      const missing = yield* Ref.make(0)
      yield* Ref.set(
        script.beforePublish,
        Effect.gen(function* () {
          const rows = yield* Effect.orDie(sql`SELECT 1 FROM outbox_events`)
          const already = new Set((yield* Ref.get(script.published)).map(text)).size
          if (rows.length + already < 20) yield* Ref.update(missing, (count) => count + 1)
        }),
      )
      yield* add(...Array.from({ length: 20 }, (_, index) => message("a", index)))
      yield* Layer.build(Layer.provide(Relay.layer({ batchSize: 5 }), broker))
      yield* until(empty)
      expect(yield* Ref.get(missing)).toBe(0)
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("leaves nothing to be sent twice when it is shut down in the middle of a publish", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      const publishing = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      yield* Ref.set(script.beforePublish, Effect.zipRight(Deferred.succeed(publishing, undefined), Deferred.await(go)))
      yield* add(message("a", 1))
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(Layer.provide(Relay.layer(), broker), scope)
      yield* Deferred.await(publishing)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(closing)
      expect((yield* Ref.get(script.published)).map(text)).toEqual(["a1"])
      expect(yield* empty).toBe(true)
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("publishes rows that become visible late, though higher ids went before", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      yield* Layer.build(Layer.provide(Relay.layer(), broker))
      const outbox = yield* Outbox
      const written = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const late = yield* Effect.fork(
        transaction(
          outbox
            .add([message("late", 1)])
            .pipe(Effect.zipRight(Deferred.succeed(written, undefined)), Effect.zipRight(Deferred.await(commit))),
        ),
      )
      yield* Deferred.await(written)
      yield* add(message("early", 1))
      yield* until(Effect.map(Ref.get(script.published), (sent) => sent.length > 0))
      // Two rounds of the floor go by with the writer still open.
      yield* Effect.sleep("2500 millis")
      yield* Deferred.succeed(commit, undefined)
      yield* Fiber.join(late)
      yield* until(empty)
      expect((yield* Ref.get(script.published)).map(text)).toEqual(["early1", "late1"])
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("keeps the order of first appearance while two relays run at once", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      const sql = yield* SqlClient.SqlClient
      // Nobody respects the lease, as after a long stop of its holder.
      const thief = Effect.forever(Effect.zipRight(sql`DELETE FROM relay_leases`, Effect.sleep("2 millis")))
      yield* Effect.forkScoped(thief)
      yield* Layer.build(Layer.fresh(Layer.provide(Relay.layer({ batchSize: 3 }), broker)))
      yield* Layer.build(Layer.fresh(Layer.provide(Relay.layer({ batchSize: 4 }), broker)))
      const all = Array.from({ length: 300 }, (_, index) => message("a", index))
      for (let index = 0; index < all.length; index += 10) yield* add(...all.slice(index, index + 10))
      yield* until(empty)
      expect(firsts(yield* Ref.get(script.published))).toEqual(all.map(text))
    }).pipe(Effect.provide(layer)),
  )
})

describe("the relay's read", () => {
  it.scopedLive("takes no more into memory than a few of the largest messages, and goes on behind them", () =>
    Effect.gen(function* () {
      const large: OutgoingMessage = { topic: "things", key: null, value: new Uint8Array(899_000), headers: {} }
      yield* add(...Array.from({ length: 12 }, () => large))
      const first = yield* OutboxTable.removeAndRead([], 0n, [], 1_000)
      expect(first.length).toBe(10)
      const ids = first.map(({ id }) => id)
      const rest = yield* OutboxTable.removeAndRead(ids, 0n, [], 1_000)
      expect(rest.length).toBe(2)
      expect(rest.some(({ id }) => ids.includes(id))).toBe(false)
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("skips exactly what is in flight, gaps or not", () =>
    Effect.gen(function* () {
      yield* add(...Array.from({ length: 10 }, (_, index) => message("a", index)))
      const all = (yield* OutboxTable.removeAndRead([], 0n, [], 100)).map(({ id }) => id)
      const inFlight = all.filter((_, index) => [0, 1, 4, 6, 7, 8].includes(index))
      const read = yield* OutboxTable.removeAndRead([], 0n, inFlight, 100)
      expect(read.map(({ id }) => id)).toEqual(all.filter((id) => !inFlight.includes(id)))
    }).pipe(Effect.provide(layer)),
  )
})

describe("the relay's floor", () => {
  it.scopedLive("waits for every transaction that may still hold a lower id, and for nobody else", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox
      const other = yield* Layer.build(Layer.fresh(PgClient.layer((yield* PgClient.PgClient).config)))
      const commit = yield* Deferred.make<void>()
      const written = yield* Deferred.make<void>()
      const reader = yield* Effect.forkScoped(
        transaction(Effect.zipRight(sql`SELECT count(*) FROM outbox_events`, Deferred.await(commit))).pipe(
          Effect.provide(other),
        ),
      )
      const writer = yield* Effect.forkScoped(
        transaction(
          outbox
            .add([message("a", 1)])
            .pipe(Effect.zipRight(Deferred.succeed(written, undefined)), Effect.zipRight(Deferred.await(commit))),
        ),
      )
      yield* Deferred.await(written)
      const mark = yield* OutboxTable.watermark
      expect(yield* OutboxTable.advance(0n, mark)).toBe("waiting")
      yield* add(message("b", 1))
      yield* Deferred.succeed(commit, undefined)
      yield* Fiber.joinAll([reader, writer])
      expect(yield* OutboxTable.advance(0n, mark)).toBe(1n)
      const rows = yield* OutboxTable.removeAndRead([], 0n, [], 10)
      expect(
        yield* OutboxTable.removeAndRead(
          rows.map((row) => row.id),
          0n,
          [],
          10,
        ),
      ).toEqual([])
      expect(yield* OutboxTable.advance(0n, yield* OutboxTable.watermark)).toBe(3n)
    }).pipe(Effect.provide(layer)),
  )
})
