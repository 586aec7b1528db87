import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { transaction } from "@tandem/messaging/Transaction"
import { Deferred, Effect, Exit, Fiber, Schedule } from "effect"
import { expect } from "vitest"
import { type Notice, Notifications } from "../../src/sql/Notifications.js"
import { database } from "../sql/database.js"
import { append, notice, numbers } from "./hub.js"

/** Somebody waits for a lock in this database. */
const untilSomebodyWaits = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.pipe(
    Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("nobody waited") }),
  )
})

/** One transaction appends and stays open; a second one appends for the same user; then the first ends. */
const race = (end: "commit" | "rollback") =>
  Effect.gen(function* () {
    const notifications = yield* Notifications
    const appended = yield* Deferred.make<void>()
    const go = yield* Deferred.make<void>()
    const first = yield* Effect.fork(
      transaction(
        Effect.gen(function* () {
          const frames = yield* notifications.append([yield* notice("1")])
          yield* Deferred.succeed(appended, undefined)
          yield* Deferred.await(go)
          return end === "commit" ? frames : yield* Effect.fail("rolled back")
        }),
      ),
    )
    yield* Deferred.await(appended)
    const second = yield* Effect.fork(append("1", 1))
    yield* untilSomebodyWaits
    // Whoever could see the second number now would not see the first.
    expect(yield* notifications.position("1")).toEqual({ seq: 0, oldest: 1 })
    yield* Deferred.succeed(go, undefined)
    yield* Fiber.await(first)
    const [frame] = yield* Fiber.join(second)
    return [frame?.seq, (yield* notifications.readAfter("1", 0, 10)).map(({ seq }) => seq)]
  })

describe("Notifications", () => {
  it.scopedLive("gives the next number only when the one before it is committed", () =>
    Effect.gen(function* () {
      expect(yield* race("commit")).toEqual([2, [1, 2]])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("gives the number of a transaction that failed to the next one", () =>
    Effect.gen(function* () {
      expect(yield* race("rollback")).toEqual([1, [1]])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("keeps the order of a large batch, user by user", () =>
    Effect.gen(function* () {
      const notifications = yield* Notifications
      const users = ["b", "B", "a", "_", "-", "10", "9"]
      const notices = yield* Effect.forEach(numbers(1, 3_000), (n) => notice(users[(n * n) % 7] ?? "a", { amount: n }))
      const frames = yield* transaction(notifications.append(notices))
      expect(frames.map(({ amount }) => amount)).toEqual(numbers(1, 3_000))
      for (const user of new Set(notices.map(({ userId }) => userId))) {
        const kept = yield* notifications.readAfter(user, 0, 3_000)
        expect(kept.map(({ seq }) => seq)).toEqual(numbers(1, kept.length))
        expect(kept).toEqual(frames.filter(({ userId }) => userId === user))
      }
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("holds nothing that cannot be", () =>
    Effect.gen(function* () {
      const notifications = yield* Notifications
      const impossible: ReadonlyArray<Partial<Notice>> = [
        { amount: 0 },
        { amount: 1_000_000_000_001 },
        { status: "NEW" },
        { status: "CANCELLED", reason: null },
        { status: "FINISHED", reason: "PaymentTimeout" },
        { userId: "a b" },
        { userId: "" },
      ]
      for (const change of impossible) {
        const written = yield* Effect.exit(transaction(notifications.append([yield* notice("1", change)])))
        expect([change, Exit.isFailure(written)]).toEqual([change, true])
      }
      const sql = yield* SqlClient.SqlClient
      yield* append("1", 1)
      const again = sql`INSERT INTO notifications SELECT * FROM notifications`
      expect((yield* Effect.flip(again))._tag).toBe("SqlError")
    }).pipe(Effect.provide(database)),
  )
})
