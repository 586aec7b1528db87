import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { transaction } from "@tandem/messaging/Transaction"
import { Effect, Random } from "effect"
import { expect } from "vitest"
import { Notifications } from "../../src/sql/Notifications.js"
import { database } from "../sql/database.js"
import { append, listen, notice, numbers, startHub, until, untilInRealTime } from "./hub.js"

describe("replay and live", () => {
  it.scopedLive("are one stream on every instance while many transactions commit, and some of them fail", () =>
    Effect.gen(function* () {
      const notifications = yield* Notifications
      // Two instances on one database: each settles half of what happens and hears nothing of the other's half.
      const hubs = [yield* startHub(), yield* startHub()] as const
      const users = ["a", "b", "c"]
      const clients: Array<{ readonly after: number; readonly client: ReturnType<typeof listen>; userId: string }> = []
      const committed = new Map(users.map((user) => [user, 0]))

      const settle = (index: number) =>
        Effect.gen(function* () {
          const mixed = yield* Random.shuffle([...users, ...users, "nobody-listens"])
          const write = notifications.append(yield* Effect.all([...mixed].map((user) => notice(user))))
          if (index % 7 === 0) return yield* Effect.ignore(transaction(Effect.zipRight(write, Effect.fail("no"))))
          const frames = yield* transaction(write)
          for (const user of users) committed.set(user, (committed.get(user) ?? 0) + 2)
          // The hints of two batches may overtake each other.
          if (index % 3 === 0) yield* Effect.sleep("10 millis")
          yield* hubs[index % 2 === 0 ? 0 : 1].hub.announce(frames)
        })
      const join = (index: number) =>
        Effect.gen(function* () {
          const userId = users[index % users.length] ?? "a"
          const after = yield* Random.nextIntBetween(0, (committed.get(userId) ?? 0) + 1)
          const { port } = hubs[index % 2 === 0 ? 1 : 0]
          clients.push({ userId, after, client: listen(port, `userId=${userId}&after=${after}`) })
        })
      yield* Effect.forEach(
        numbers(1, 140),
        (index) => Effect.zipRight(index % 5 === 0 ? join(index / 5) : Effect.void, settle(index)),
        { concurrency: 8, discard: true },
      )

      expect(committed.get("a")).toBe(240)
      expect(clients).toHaveLength(28)
      for (const { client, after } of clients) {
        yield* until(() => client.seqs().length >= 240 - after)
        expect(client.frames[0]).toMatchObject({ type: "welcome", seq: after, recovered: true })
        expect(client.seqs()).toEqual(numbers(after + 1, 240))
        expect(client.end.code).toBeUndefined()
      }
    }).pipe(Effect.provide(database)),
  )

  // The test's clock stands still, so that nothing is healed.
  it.scoped("read the table at once when a hint skips numbers, up to the highest that was hinted at meanwhile", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { hub, port } = yield* startHub()
      const { frames, seqs } = listen(port, "userId=1")
      yield* untilInRealTime(() => frames.length === 1)
      // More than a page, so that the first read alone does not bring it all.
      const told = yield* append("1", 450)
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`LOCK TABLE notifications`
          yield* hub.announce(told.slice(99, 100))
          yield* hub.announce(told.slice(449))
          yield* hub.announce(told.slice(299, 300))
        }),
      )
      yield* untilInRealTime(() => seqs().length === 450)
      expect(seqs()).toEqual(numbers(1, 450))
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("tell the same of one change", () =>
    Effect.gen(function* () {
      const { append } = yield* Notifications
      const { hub, port } = yield* startHub()
      const live = listen(port, "userId=1")
      yield* until(() => live.frames.length === 1)
      const cancelled = notice("1", { status: "CANCELLED", reason: "InsufficientFunds", amount: 1_000_000_000_000 })
      const refunded = notice("1", { status: "REFUNDED", reason: "RefundedByUser", at: "2026-01-01T00:00:00.120Z" })
      yield* hub.announce(yield* transaction(append(yield* Effect.all([cancelled, refunded, notice("1")]))))
      yield* until(() => live.frames.length === 4)
      const replayed = listen(port, "userId=1&after=0")
      yield* until(() => replayed.frames.length === 4)
      expect(replayed.frames.slice(1)).toEqual(live.frames.slice(1))
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("take a burst for no fault of the client", () =>
    Effect.gen(function* () {
      const { hub, port } = yield* startHub()
      const { frames, seqs, end } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      yield* hub.announce(yield* append("1", 3_000))
      yield* until(() => seqs().length === 3_000 || end.code !== undefined)
      expect([seqs(), end.code]).toEqual([numbers(1, 3_000), undefined])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("leave connections to the database for others, however many come back at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { port } = yield* startHub()
      yield* append("1", 1)
      const storm = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`LOCK TABLE notifications`
          const clients = numbers(1, 60).map(() => listen(port, "userId=1&after=0"))
          yield* until(() => clients.every(({ socket }) => socket.readyState === socket.OPEN))
          // A fiber without this transaction: what a request would do meanwhile.
          yield* Effect.promise(() => Effect.runPromise(Effect.timeout(sql`SELECT 1`, "10 seconds")))
          return clients
        }),
      )
      yield* until(() => storm.every(({ seqs }) => seqs().length === 1))
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("never leave a number out: what is no longer kept ends the stream, and who comes again is told", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const notifications = yield* Notifications
      const { hub, port } = yield* startHub()
      const { frames, seqs, end } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      const told = yield* transaction(
        Effect.gen(function* () {
          const told = yield* notifications.append(yield* Effect.all([notice("1"), notice("1"), notice("1")]))
          yield* sql`DELETE FROM notifications WHERE seq <= 2`
          return told
        }),
      )
      yield* hub.announce(told.slice(2))
      yield* until(() => end.code !== undefined)
      expect([seqs(), end.code]).toEqual([[], 1011])
      const again = listen(port, "userId=1&after=0")
      yield* until(() => again.seqs().length === 1)
      expect(again.frames).toMatchObject([{ type: "welcome", seq: 2, recovered: false }, { seq: 3 }])
    }).pipe(Effect.provide(database)),
  )
})
