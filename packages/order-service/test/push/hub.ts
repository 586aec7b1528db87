import { connect as connectTcp, type Socket } from "node:net"
import type { Frame } from "@tandem/contracts/push/Frame"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import type { AuthOptions } from "@tandem/service-kit/auth/Access"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import { WebSocket } from "ws"
import type { Instances } from "../../src/push/Instances.js"
import { PushHub } from "../../src/push/PushHub.js"
import { type Notice, Notifications } from "../../src/sql/Notifications.js"

/** A hub that listens on a port of its own; `stop` shuts it down as the service would. */
export const startHub = (
  options: { readonly port?: number; readonly auth?: AuthOptions } = {},
  instances?: Layer.Layer<Instances>,
) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const server = NodeServer.layer({ host: "127.0.0.1", port: 0, corsOrigins: [], ...options })
    const context = yield* Layer.buildWithScope(
      Layer.provideMerge(instances === undefined ? PushHub.layer : Layer.provide(PushHub.layer, instances), server),
      scope,
    )
    const [hub, { port }] = yield* Effect.all([
      PushHub,
      Effect.flatMap(NodeServer, ({ listen }) => Scope.extend(listen, scope)),
    ]).pipe(Effect.provide(context))
    return { hub, port, stop: Scope.close(scope, Exit.void) }
  })

/** A socket of `ws`, and everything that it hears. */
export const listen = (port: number, query: string) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?${query}`)
  const frames: Array<Frame> = []
  const end: { code?: number } = {}
  socket.on("message", (text) => frames.push(JSON.parse(String(text))))
  socket.on("close", (code) => (end.code = code))
  socket.on("error", () => undefined)
  return {
    socket,
    frames,
    end,
    seqs: () => frames.flatMap((frame) => (frame.type === "welcome" ? [] : [frame.seq])),
  }
}

/** Speaks to the port in bytes, for what no WebSocket client would say; `answer` is all that came back. */
export const speak = (port: number, lines: ReadonlyArray<string>) => {
  const socket: Socket = connectTcp(port, "127.0.0.1")
  const end = { answer: "", closed: false }
  socket.on("data", (data) => (end.answer += data.toString("latin1")))
  socket.on("close", () => (end.closed = true))
  socket.on("error", () => undefined)
  socket.write(`${lines.join("\r\n")}\r\n\r\n`)
  return { socket, end }
}

/** The lines of a proper handshake for a request target. */
export const handshake = (port: number, target: string, method = "GET"): ReadonlyArray<string> => [
  `${method} ${target} HTTP/1.1`,
  `Host: 127.0.0.1:${port}`,
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]

/** Waits until it holds; fails after 20 s. */
export const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("the condition never held") }),
  )

export const notice = (userId: string, change: Partial<Notice> = {}) =>
  Effect.map(
    nextId,
    (orderId): Notice => ({
      orderId,
      userId,
      amount: 5,
      status: "FINISHED",
      reason: null,
      at: "2026-01-01T00:00:00.000Z",
      ...change,
    }),
  )

/** So many notices of one user, committed. */
export const append = (userId: string, count: number) =>
  Effect.gen(function* () {
    const { append } = yield* Notifications
    const notices = yield* Effect.all(Array.from({ length: count }, () => notice(userId)))
    return yield* transaction(append(notices))
  })

export const numbers = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)

/** The same where the clock is the test's own. */
export const untilInRealTime = (condition: () => boolean) => Effect.promise(() => Effect.runPromise(until(condition)))
