import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Origins } from "@tandem/service-kit/Origins"
import { endWith } from "@tandem/service-kit/ParserFaults"
import { Context, Duration, Effect, Either, FiberSet, Layer, Schedule } from "effect"
import { WebSocketServer } from "ws"
import { Notifications } from "../sql/Notifications.js"
import { Connection, closeCodes } from "./Connection.js"
import * as PushRequest from "./PushRequest.js"

/** Where the sockets are opened. */
export const pushPath = "/ws"

/** The largest message that a client may send, in bytes; what it says is ignored. A larger one closes with 1009. */
const maximumInboundBytes = 64 * 1024

/** So many frames are read of the table at once, for a client that catches up. */
const replayPage = 200

/** How often the counters of all connected users are looked at: it heals lost hints and brings what other instances settled. */
const healInterval = Duration.seconds(2)

/** How often a client must show that it is there. */
const pingInterval = Duration.seconds(25)

/** Reading the table while the database is away: 50 ms, doubled up to 2 s, jittered, for ever. */
const untilRead = Schedule.jittered(
  Schedule.delayed(Schedule.exponential("50 millis"), (delay) => Duration.min(delay, "2 seconds")),
)

/**
 * The users' open WebSockets of this instance. Each gets a welcome, then everything above the position that it named, out of the
 * table, then what happens, each number once and in order. A live frame is a hint: when it is not the next one, the table is read.
 */
export class PushHub extends Context.Tag("@tandem/order-service/PushHub")<
  PushHub,
  {
    /** Tells the users' sockets what was just committed. Never waits, never fails: a hint that is lost is healed within 2 s. */
    readonly announce: (frames: ReadonlyArray<OrderStatusChanged>) => Effect.Effect<void>
  }
>() {
  /** On the service's own server; ending it closes every socket with 1012. */
  static readonly layer: Layer.Layer<PushHub, never, NodeServer | Origins | Notifications> = Layer.scoped(
    PushHub,
    Effect.suspend(() => make),
  )
}

const make = Effect.gen(function* () {
  const { server } = yield* NodeServer
  const origins = yield* Origins
  const notifications = yield* Notifications
  const runReplay = yield* FiberSet.makeRuntime<never>()
  const users = new Map<string, Set<Connection>>()
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maximumInboundBytes, perMessageDeflate: false })

  const retried = <A, E>(read: Effect.Effect<A, E>) =>
    read.pipe(
      Effect.tapError((fault) => Effect.logDebug("notifications cannot be read for now, trying on", fault)),
      Effect.retry(untilRead),
      Effect.orDie,
      Effect.withTracerEnabled(false),
    )

  const drained = (connection: Connection) =>
    Effect.async<void>((resume) => {
      const takeBack = connection.onDrained(() => resume(Effect.void))
      return Effect.sync(takeBack)
    })

  /** Reads the table up to the target, a page as the socket drains; then the connection is live. */
  const catchUp = (connection: Connection) =>
    Effect.gen(function* () {
      while (connection.open && connection.last < connection.target) {
        const frames = yield* retried(notifications.readAfter(connection.userId, connection.last, replayPage))
        connection.replay(frames)
        // Nothing left of what was promised: retention was quicker.
        if (frames.length === 0) connection.last = connection.target
        yield* drained(connection)
      }
      connection.replaying = false
    })

  const startCatchUp = (connection: Connection) => {
    connection.replaying = true
    runReplay(catchUp(connection))
  }

  /** It has subscribed before the position is read, so that nothing falls between the replay and what is live. */
  const begin = (connection: Connection, after: number | undefined) =>
    Effect.gen(function* () {
      const { seq, oldest } = yield* retried(notifications.position(connection.userId))
      const start = after === undefined || after > seq ? seq : Math.max(after, oldest - 1)
      const recovered = after === undefined || after === start
      connection.welcome({ type: "welcome", userId: connection.userId, seq: start, recovered })
      connection.target = Math.max(connection.target, seq)
      yield* catchUp(connection)
    })

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = new URL(request.url ?? "/", "http://service")
    if (url.pathname !== pushPath || request.headers.upgrade?.toLowerCase() !== "websocket") return
    const refusal = origins.refuse(request)
    if (refusal !== undefined) return endWith(socket, refusal)
    const asked = PushRequest.read(url.searchParams)
    if (Either.isLeft(asked)) {
      const detail = "The request is invalid; errors says where and why."
      return endWith(socket, { kind: "invalid-request", detail, errors: asked.left })
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new Connection(asked.right.userId, webSocket)
      const mine = users.get(connection.userId) ?? new Set()
      users.set(connection.userId, mine.add(connection))
      webSocket.on("pong", () => {
        connection.alive = true
      })
      // A broken socket closes right after; what a client sends is ignored.
      webSocket.on("error", () => webSocket.terminate())
      webSocket.on("close", () => {
        mine.delete(connection)
        if (mine.size === 0 && users.get(connection.userId) === mine) users.delete(connection.userId)
        connection.gone()
      })
      runReplay(begin(connection, asked.right.after))
    })
  }

  const announce = (frames: ReadonlyArray<OrderStatusChanged>) =>
    Effect.sync(() => {
      for (const frame of frames) {
        const mine = users.get(frame.userId)
        if (mine === undefined) continue
        const text = JSON.stringify(frame)
        for (const connection of mine) if (!connection.offer(frame.seq, text)) startCatchUp(connection)
      }
    })

  const heal = Effect.gen(function* () {
    if (users.size === 0) return
    const counters = yield* notifications.counters([...users.keys()])
    for (const [userId, seq] of counters) {
      for (const connection of users.get(userId) ?? []) {
        connection.target = Math.max(connection.target, seq)
        if (!connection.replaying && connection.last < connection.target) startCatchUp(connection)
      }
    }
  }).pipe(
    Effect.catchAll((fault) => Effect.logDebug("the counters cannot be read for now", fault)),
    Effect.withTracerEnabled(false),
  )

  const ping = Effect.sync(() => {
    for (const mine of users.values()) {
      for (const connection of mine) {
        if (!connection.alive) connection.socket.terminate()
        connection.alive = false
        if (connection.open) connection.socket.ping()
      }
    }
  })

  yield* Effect.acquireRelease(
    Effect.sync(() => server.on("upgrade", onUpgrade)),
    () =>
      Effect.sync(() => {
        server.off("upgrade", onUpgrade)
        for (const mine of users.values())
          for (const one of mine) one.close(closeCodes.shutdown, "the service restarts")
      }),
  )
  yield* Effect.forkScoped(Effect.repeat(heal, Schedule.spaced(healInterval)))
  yield* Effect.forkScoped(Effect.schedule(ping, Schedule.spaced(pingInterval)))
  return { announce }
})
