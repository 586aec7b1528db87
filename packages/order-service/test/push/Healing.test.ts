import { describe, it } from "@effect/vitest"
import { transaction } from "@tandem/messaging/Transaction"
import { Effect } from "effect"
import { expect } from "vitest"
import { Notifications } from "../../src/sql/Notifications.js"
import { database } from "../sql/database.js"
import { listen, notice, numbers, startHub, until } from "./hub.js"

describe("the look at the counters", () => {
  it.scopedLive("finds what no hint told of for every user, however many looks they take", () =>
    Effect.gen(function* () {
      const { port } = yield* startHub()
      // Two whole looks and a part of one; the last user listens twice.
      const users = numbers(1, 230).map((n) => `user-${n}`)
      const streams = [...users, "user-230"].map((userId) => listen(port, `userId=${userId}`))
      yield* until(() => streams.every(({ frames }) => frames.length === 1))
      const notifications = yield* Notifications
      const notices = yield* Effect.all(users.flatMap((userId) => [notice(userId), notice(userId)]))
      yield* transaction(notifications.append(notices))
      yield* until(() => streams.every(({ seqs }) => seqs().length === 2))
      for (const { seqs } of streams) expect(seqs()).toEqual([1, 2])
    }).pipe(Effect.provide(database)),
  )
})
