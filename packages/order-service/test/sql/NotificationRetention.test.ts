import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { clean } from "../../src/sql/NotificationRetention.js"
import { Notifications } from "../../src/sql/Notifications.js"
import { append, numbers } from "../push/hub.js"
import { database } from "./database.js"

/** The numbers that are left of a user. */
const left = (userId: string) =>
  Effect.gen(function* () {
    const { readAfter } = yield* Notifications
    return (yield* readAfter(userId, 0, 1_000)).map(({ seq }) => seq)
  })

describe("retention of notifications", () => {
  it.scopedLive("deletes what is old, from the lowest number upward, and never a counter", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { position } = yield* Notifications
      for (const userId of ["a", "b", "c"]) yield* append(userId, 250)
      yield* sql`UPDATE notifications SET at = clock_timestamp()`
      yield* sql`UPDATE notifications SET at = at - interval '2 hours' WHERE user_id = 'a' AND seq <= 230`
      // An hour that the clock went back: number 7 is old between younger ones, and takes all below it along.
      yield* sql`UPDATE notifications SET at = at - interval '2 hours' WHERE user_id = 'b' AND seq = 7`
      expect(yield* clean("1 hour")).toBe(237)
      expect(yield* left("a")).toEqual(numbers(231, 250))
      expect(yield* left("b")).toEqual(numbers(8, 250))
      expect(yield* left("c")).toEqual(numbers(1, 250))
      expect(yield* position("a")).toEqual({ seq: 250, oldest: 231 })
      expect(yield* clean("1 hour")).toBe(0)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("keeps so many of each user at most", () =>
    Effect.gen(function* () {
      yield* append("many", 333)
      yield* append("few", 20)
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE notifications SET at = clock_timestamp()`
      expect(yield* clean("30 days", 20)).toBe(313)
      expect(yield* left("many")).toEqual(numbers(314, 333))
      expect(yield* left("few")).toEqual(numbers(1, 20))
    }).pipe(Effect.provide(database)),
  )
})
