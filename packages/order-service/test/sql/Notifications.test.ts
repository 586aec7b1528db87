import { describe, it } from "@effect/vitest"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { Effect } from "effect"
import { expect } from "vitest"
import { Notifications } from "../../src/sql/Notifications.js"
import { database } from "./database.js"

const notice = (userId: string) =>
  Effect.map(nextId, (orderId) => ({
    orderId,
    userId,
    amount: 5,
    status: "FINISHED" as const,
    reason: null,
    at: "2026-01-01T00:00:00.000Z",
  }))

describe("Notifications", () => {
  it.scopedLive("numbers each user's from 1 with no gap, in the order of the batch", () =>
    Effect.gen(function* () {
      const notifications = yield* Notifications
      const notices = yield* Effect.all([notice("b"), notice("a"), notice("b")])
      const frames = yield* transaction(notifications.append(notices))
      expect(frames.map((frame) => [frame.userId, frame.seq])).toEqual([
        ["b", 1],
        ["a", 1],
        ["b", 2],
      ])
      expect(yield* notifications.readAfter("b", 0, 10)).toEqual([frames[0], frames[2]])
      expect(yield* notifications.readAfter("b", 1, 10)).toEqual([frames[2]])
      expect(yield* notifications.position("b")).toEqual({ seq: 2, oldest: 1 })
      expect(yield* notifications.position("nobody")).toEqual({ seq: 0, oldest: 1 })
      const known = { a: 1, b: 1, nobody: 0 }
      expect(yield* notifications.countersPast(new Map(Object.entries(known)))).toEqual(new Map([["b", 2]]))
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("has no gap and no repetition when many transactions append at once and some of them fail", () =>
    Effect.gen(function* () {
      const notifications = yield* Notifications
      const users = ["a", "b", "c", "d"]
      yield* Effect.forEach(
        Array.from({ length: 80 }, (_, index) => index),
        (index) =>
          Effect.gen(function* () {
            // Each in another order, which would deadlock if the counters were locked as they come.
            const order = index % 2 === 0 ? users : [...users].reverse()
            const notices = yield* Effect.all(order.map(notice))
            const append = notifications.append(notices)
            yield* Effect.ignore(transaction(index % 5 === 0 ? Effect.zipRight(append, Effect.fail("no")) : append))
          }),
        { concurrency: 10, discard: true },
      )
      for (const user of users) {
        const frames = yield* notifications.readAfter(user, 0, 1_000)
        expect(frames.map((frame) => frame.seq)).toEqual(Array.from({ length: 64 }, (_, index) => index + 1))
      }
    }).pipe(Effect.provide(database)),
  )
})
