import { connect as connectTcp } from "node:net"
import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import type { Frame } from "@tandem/contracts/push/Frame"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import { expect } from "vitest"
import { WebSocket } from "ws"
import { PushHub } from "../../src/push/PushHub.js"
import { Notifications } from "../../src/sql/Notifications.js"
import { database } from "../sql/database.js"

/** A hub on a server of its own, over the test's database. */
const start = Effect.gen(function* () {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const context = yield* Layer.buildWithScope(
    Layer.provideMerge(
      PushHub.layer,
      NodeServer.layer({ host: "127.0.0.1", port: 0, corsOrigins: ["http://page.test"] }),
    ),
    scope,
  )
  const [hub, address] = yield* Effect.all([
    PushHub,
    Effect.flatMap(NodeServer, (server) => Scope.extend(server.listen, scope)),
  ]).pipe(Effect.provide(context))
  return { hub, port: address.port, stop: Scope.close(scope, Exit.void) }
})

const listen = (port: number, query: string, headers: Record<string, string> = {}) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?${query}`, { headers })
  const frames: Array<Frame> = []
  const end: { code?: number; status?: number; body?: string } = {}
  socket.on("message", (data) => frames.push(JSON.parse(data.toString())))
  socket.on("close", (code) => {
    end.code = code
  })
  socket.on("error", () => undefined)
  socket.on("unexpected-response", (_, response) => {
    let body = ""
    response.on("data", (part) => (body += String(part)))
    response.on("end", () => {
      end.body = body
      end.status = response.statusCode ?? 0
    })
  })
  return {
    socket,
    frames,
    end,
    seqs: () => frames.filter((frame) => frame.type !== "welcome").map((frame) => frame.seq),
  }
}

const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("the condition never held") }),
  )

const append = (userId: string, count: number) =>
  Effect.gen(function* () {
    const notifications = yield* Notifications
    const notices = yield* Effect.all(
      Array.from({ length: count }, () =>
        Effect.map(nextId, (orderId) => ({
          orderId,
          userId,
          amount: 5,
          status: "FINISHED" as const,
          reason: null,
          at: "2026-01-01T00:00:00.000Z",
        })),
      ),
    )
    return yield* transaction(notifications.append(notices))
  })

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe("PushHub", () => {
  it.scopedLive("welcomes, then tells what happens", () =>
    Effect.gen(function* () {
      const { hub, port } = yield* start
      const { frames } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      expect(frames).toEqual([{ type: "welcome", userId: "1", seq: 0, recovered: true }])
      const [change] = yield* append("1", 1)
      yield* hub.announce(change === undefined ? [] : [change])
      yield* until(() => frames.length === 2)
      expect(frames[1]).toEqual(change)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("replays everything above the position that was asked for, in pages", () =>
    Effect.gen(function* () {
      const { port } = yield* start
      yield* append("1", 950)
      const { frames, seqs } = listen(port, "userId=1&after=3")
      yield* until(() => seqs().length === 947)
      expect(frames[0]).toEqual({ type: "welcome", userId: "1", seq: 3, recovered: true })
      expect(seqs()).toEqual(upTo(950).slice(3))
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("tells nothing of the past without a position", () =>
    Effect.gen(function* () {
      const { hub, port } = yield* start
      yield* append("1", 3)
      const { frames, seqs } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      yield* hub.announce(yield* append("1", 1))
      yield* until(() => seqs().length === 1)
      expect(frames.map((frame) => frame.seq)).toEqual([3, 4])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("says when the position asked for is not one that it can resume from", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { port } = yield* start
      yield* append("1", 5)
      const above = listen(port, "userId=1&after=9")
      yield* until(() => above.frames.length === 1)
      expect(above.frames[0]).toMatchObject({ seq: 5, recovered: false })
      yield* sql`DELETE FROM notifications WHERE seq <= 2`
      const older = listen(port, "userId=1&after=0")
      yield* until(() => older.seqs().length === 3)
      expect(older.frames[0]).toMatchObject({ seq: 2, recovered: false })
      expect(older.seqs()).toEqual([3, 4, 5])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("has no gap and no repetition while it replays and things happen", () =>
    Effect.gen(function* () {
      const { hub, port } = yield* start
      yield* append("1", 300)
      const clients: Array<ReturnType<typeof listen>> = []
      const total = 300 + 60 * 5
      for (let round = 0; round < 60; round++) {
        const frames = yield* append("1", 5)
        // Hints come late, out of order, twice, or not at all.
        const hints: ReadonlyArray<OrderStatusChanged> =
          round % 4 === 0
            ? []
            : round % 4 === 1
              ? [...frames].reverse()
              : round % 4 === 2
                ? [...frames, ...frames]
                : frames
        yield* hub.announce(hints)
        if (round % 6 === 0) clients.push(listen(port, `userId=1&after=${round * 4}`))
      }
      for (const [index, client] of clients.entries()) {
        const start = index * 24
        yield* until(() => client.seqs().length >= total - start)
        expect(client.seqs()).toEqual(upTo(total).slice(start))
      }
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("finds what no hint told of", () =>
    Effect.gen(function* () {
      const { port } = yield* start
      const { frames, seqs } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      yield* append("1", 2)
      yield* until(() => seqs().length === 2)
      expect(seqs()).toEqual([1, 2])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("keeps users apart", () =>
    Effect.gen(function* () {
      const { hub, port } = yield* start
      const one = listen(port, "userId=1")
      const two = listen(port, "userId=2")
      yield* until(() => one.frames.length === 1 && two.frames.length === 1)
      yield* hub.announce([...(yield* append("1", 1)), ...(yield* append("2", 2))])
      yield* until(() => one.seqs().length === 1 && two.seqs().length === 2)
      expect(one.frames.every((frame) => frame.userId === "1")).toBe(true)
    }).pipe(Effect.provide(database)),
  )

  const invalid = [
    "",
    "userId=",
    "userId=a%20b",
    "userId=1&userId=1",
    "userId=1&after=-1",
    "userId=1&after=x",
    "userId=1&after=1.5",
    "userId=1&after=1&after=2",
  ]
  it.scopedLive("answers a bad request with a problem before the upgrade", () =>
    Effect.gen(function* () {
      const { port } = yield* start
      for (const query of invalid) {
        const { end } = listen(port, query)
        yield* until(() => end.status !== undefined)
        expect([query, end.status]).toEqual([query, 400])
        expect(JSON.parse(end.body ?? "")).toMatchObject({ type: "urn:tandem:problem:invalid-request" })
      }
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("opens for its own and listed pages, and for no other", () =>
    Effect.gen(function* () {
      const { port } = yield* start
      const stranger = listen(port, "userId=1", { origin: "http://evil.test" })
      yield* until(() => stranger.end.status === 403)
      for (const origin of ["http://page.test", `http://127.0.0.1:${port}`]) {
        const { frames } = listen(port, "userId=1", { origin })
        yield* until(() => frames.length === 1)
      }
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("closes who sends too much, and ignores what else is sent", () =>
    Effect.gen(function* () {
      const { hub, port } = yield* start
      const { socket, frames, end } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      socket.send("hello")
      yield* hub.announce(yield* append("1", 1))
      yield* until(() => frames.length === 2)
      socket.send("x".repeat(65_537))
      yield* until(() => end.code !== undefined)
      expect(end.code).toBe(1009)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("closes a client that does not read, and the others do not notice", () =>
    Effect.gen(function* () {
      const { hub, port } = yield* start
      const other = listen(port, "userId=1")
      yield* until(() => other.frames.length === 1)
      // The handshake by hand, and then not a byte is read.
      const deaf = connectTcp(port, "127.0.0.1").on("error", () => deaf.destroy())
      yield* Effect.addFinalizer(() => Effect.sync(() => deaf.destroy()))
      deaf.write(
        `GET /ws?userId=1 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      )
      const received: Array<Buffer> = []
      deaf.once("data", (data) => {
        received.push(data)
        deaf.pause()
      })
      yield* until(() => received.length === 1)
      let closed = false
      deaf.on("close", () => {
        closed = true
      })
      const [sample] = yield* append("1", 1)
      if (sample === undefined) return
      // The kernel takes megabytes before anything waits in the process; frames with a padding reach that sooner.
      let seq = 0
      for (let round = 0; round < 100; round++) {
        const frames = upTo(10).map(() => ({ ...sample, seq: ++seq, padding: "x".repeat(20_000) }))
        yield* hub.announce(frames)
        yield* until(() => other.seqs().length === seq)
      }
      let tail = Buffer.alloc(0)
      deaf.on("data", (data) => {
        tail = Buffer.concat([tail, data]).subarray(-40)
      })
      deaf.resume()
      yield* until(() => closed)
      const code = Buffer.alloc(2)
      code.writeUInt16BE(4008)
      expect(tail.includes(code)).toBe(true)
      expect(other.end.code).toBeUndefined()
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("says 1012 when the service ends", () =>
    Effect.gen(function* () {
      const { port, stop } = yield* start
      const { frames, end } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      yield* stop
      yield* until(() => end.code !== undefined)
      expect(end.code).toBe(1012)
    }).pipe(Effect.provide(database)),
  )
})
