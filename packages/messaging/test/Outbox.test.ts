import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Outbox } from "@tandem/messaging/Outbox"
import { Effect, Layer } from "effect"
import { expect } from "vitest"
import { database } from "./database.js"

const message = (key: string, value = "{}"): OutgoingMessage => ({
  topic: "things",
  key,
  value: new TextEncoder().encode(value),
  headers: { "content-type": "application/json" },
})

const rows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{
    key: string
    value: Buffer
    headers: unknown
  }>`SELECT key, value, headers FROM outbox_events ORDER BY id`
})

describe("Outbox", () => {
  const layer = Layer.provideMerge(Outbox.layer, database)

  it.scopedLive("refuses to run outside of a transaction and writes nothing", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const outcome = yield* Effect.flip(outbox.add([message("a")]))
      expect(outcome._tag).toBe("OutsideTransaction")
      expect(yield* rows).toEqual([])
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("shares the fate of the caller's transaction", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* Effect.ignore(Outbox.transaction(Effect.zipRight(outbox.add([message("lost")]), Effect.fail("no"))))
      yield* Outbox.transaction(outbox.add([message("a"), message("b", "\u0000 Ω")]))
      const written = yield* rows
      expect(written.map((row) => row.key)).toEqual(["a", "b"])
      expect(written[1]?.value.toString()).toBe("\u0000 Ω")
      expect(written[1]?.headers).toEqual({ "content-type": "application/json" })
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("stands in the WITH of a single statement", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox
      const events = yield* outbox.cte([message("a"), message("b")])
      yield* sql`WITH ${events} INSERT INTO things (id, times) VALUES ('a', 1), ('b', 1)`
      const failing = sql`WITH ${yield* outbox.cte([message("c")])} INSERT INTO things (id, times) VALUES ('a', 1)`
      yield* Effect.flip(failing)
      expect((yield* rows).map((row) => row.key)).toEqual(["a", "b"])
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("refuses a message that no broker would take", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const outcome = yield* Effect.flip(Outbox.transaction(outbox.add([message("a", "x".repeat(900_001))])))
      expect(outcome._tag).toBe("MessageTooLarge")
      expect(yield* rows).toEqual([])
    }).pipe(Effect.provide(layer)),
  )

  it.scopedLive("keeps messages without a value and without a key", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* Outbox.transaction(outbox.add([{ topic: "things", key: null, value: null, headers: {} }]))
      expect(yield* rows).toEqual([{ key: null, value: null, headers: {} }])
    }).pipe(Effect.provide(layer)),
  )
})
