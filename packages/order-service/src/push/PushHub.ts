import type { SqlClient } from "@effect/sql"
import type { SqlError } from "@effect/sql/SqlError"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { Access } from "@tandem/service-kit/auth/Access"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Origins } from "@tandem/service-kit/Origins"
import { Array, Clock, Context, Data, Duration, Effect, FiberSet, Layer, Runtime, Schedule } from "effect"
import { Notifications } from "../sql/Notifications.js"
import { type Connection, closeCodes } from "./Connection.js"
import * as Handshake from "./Handshake.js"
import { Instances } from "./Instances.js"
import { permit } from "./StreamAccess.js"
import { WebSocketConnection } from "./WebSocketConnection.js"

/** Where the sockets are opened. */
export const pushPath = "/ws"

/** So many frames are read of the table at once, for a client that catches up. */
const replayPage = 200

/**
 * So many connections read the table at once. After a restart everybody comes back in the same second, and the requests and the
 * settlement, which share the pool, must not stand in line behind them.
 */
const maximumReads = 4

/** How often the counters of all connected users are looked at: it heals lost hints and brings what other instances settled. */
const healInterval = Duration.seconds(2)

/** So many users' counters are looked at by one statement: few enough that nobody's frames wait for its answer to be read. */
const usersOfALook = 100

/** How long credentials may be expired before the streams that they opened are closed. */
const expiryInterval = Duration.seconds(1)

/** How often a client must show that it is there. */
const pingInterval = Duration.seconds(25)

/** Connections are pinged in so many turns, and each turn in so many groups, so that nobody's frames wait for thousands of pings. */
const turns = 250
const groupsOfATurn = 10
const turnInterval = Duration.times(pingInterval, 1 / turns)

/** How long the clients may take to say goodbye when the service ends, in ms. */
const farewell = 2_000

/** Reading the table while the database is away: 50 ms, doubled up to 2 s, jittered, for as long as the socket is open. */
const untilRead = Schedule.jittered(
  Schedule.delayed(Schedule.exponential("50 millis"), (delay) => Duration.min(delay, "2 seconds")),
)

/**
 * The users' open streams of this instance, WebSocket and SSE alike. Each gets a welcome, then everything above the position that it named, out of the
 * table, then what happens, each number once and in order. A live frame is a hint: when it is not the next one, the table is read.
 */
export class PushHub extends Context.Tag("@tandem/order-service/PushHub")<
  PushHub,
  {
    /**
     * Tells the users' streams, here and on all other instances, what was just committed. Never waits, never fails: a hint that is lost is
     * healed within 2 s.
     */
    readonly announce: (frames: ReadonlyArray<OrderStatusChanged>) => Effect.Effect<void>
    /** Gives a stream that was just opened what it asks for: everything above `after`, then what happens; only the latter when it is absent. */
    readonly accept: (connection: Connection, after: number | undefined) => void
  }
>() {
  /** On the service's own server. A shutdown closes every socket with 1012, and ends every event stream. */
  static readonly layer: Layer.Layer<
    PushHub,
    never,
    NodeServer | Origins | Access | Notifications | Instances | SqlClient.SqlClient
  > = Layer.scoped(
    PushHub,
    Effect.suspend(() => make),
  )
}

const nobody: ReadonlySet<Connection> = new Set()

/** The socket closed while its replay was under way. */
class Gone extends Data.TaggedError("Gone") {}

const make = Effect.gen(function* () {
  const { server, beforeDrain } = yield* NodeServer
  const instances = yield* Instances
  const origins = yield* Origins
  const access = yield* Access
  const notifications = yield* Notifications
  const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
  const runReplay = yield* FiberSet.makeRuntime<never>()
  const reads = yield* Effect.makeSemaphore(maximumReads)
  const users = new Map<string, Set<Connection>>()
  const pinged = Array.makeBy(turns, () => new Set<Connection>())
  const expiring = new Set<Connection>()
  let joined = 0
  let whenEmpty: (() => void) | undefined
  let leaving = false
  /** Fails only when the socket is gone, and nobody waits for the answer. */
  const retried = <A>(connection: Connection, read: Effect.Effect<A, SqlError>) =>
    reads
      .withPermits(1)(Effect.suspend((): Effect.Effect<A, SqlError | Gone> => (connection.open ? read : new Gone())))
      .pipe(
        Effect.tapError((fault) => Effect.logDebug("notifications cannot be read for now", fault)),
        Effect.retry({ schedule: untilRead, while: () => connection.open }),
        Effect.mapError(() => new Gone()),
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
        const frames = yield* retried(
          connection,
          notifications.readAfter(connection.userId, connection.last, replayPage),
        )
        // Retention was quicker. Whoever comes again hears `recovered: false`; a number left out would go unnoticed.
        if (!connection.replay(frames)) return connection.close(closeCodes.interrupted, "no longer kept")
        yield* drained(connection)
      }
      connection.replaying = false
    })

  /** A replay that ends by a bug of ours would leave the client waiting for ever. */
  const run = (connection: Connection, replay: Effect.Effect<void, Gone>) =>
    runReplay(
      replay.pipe(
        Effect.catchTag("Gone", () => Effect.void),
        Effect.tapDefect((cause) =>
          Effect.zipRight(
            Effect.logError("a replay failed", cause),
            Effect.sync(() => connection.close(closeCodes.interrupted, "internal error")),
          ),
        ),
      ),
    )

  const startCatchUp = (connection: Connection) => {
    connection.replaying = true
    run(connection, catchUp(connection))
  }

  /** It has subscribed before the position is read, so that nothing falls between the replay and what is live. */
  const begin = (connection: Connection, after: number | undefined) =>
    Effect.gen(function* () {
      const { seq, oldest } = yield* retried(connection, notifications.position(connection.userId))
      const start = after === undefined || after > seq ? seq : Math.max(after, oldest - 1)
      const recovered = after === undefined || after === start
      connection.welcome({ type: "welcome", userId: connection.userId, seq: start, recovered })
      connection.target = Math.max(connection.target, seq)
      yield* catchUp(connection)
    })

  const accept = (connection: Connection, after: number | undefined) => {
    const { userId } = connection
    const mine = users.get(userId) ?? new Set()
    const together = pinged[joined++ % turns]
    users.set(userId, mine.add(connection))
    together?.add(connection)
    if (connection.expiresAt < Number.POSITIVE_INFINITY) expiring.add(connection)
    connection.onEnd(() => {
      mine.delete(connection)
      together?.delete(connection)
      expiring.delete(connection)
      if (mine.size === 0 && users.get(userId) === mine) users.delete(userId)
      connection.gone()
      if (users.size === 0) whenEmpty?.()
    })
    if (leaving) connection.close(closeCodes.shutdown, "the service restarts")
    else run(connection, begin(connection, after))
  }

  const offer = (userId: string, seq: number, text: string) => {
    for (const connection of users.get(userId) ?? nobody) if (!connection.offer(seq, text)) startCatchUp(connection)
  }

  const announce = (frames: ReadonlyArray<OrderStatusChanged>) =>
    Effect.sync(() => {
      const hints = frames.map((frame) => ({ userId: frame.userId, seq: frame.seq, text: JSON.stringify(frame) }))
      for (const { userId, seq, text } of hints) offer(userId, seq, text)
      instances.tell(hints)
    })

  /** The last number that every stream of each of these users has had or waits for. */
  const reached = (userIds: ReadonlyArray<string>) => {
    const known = new Map<string, number>()
    for (const userId of userIds) {
      let least = Number.POSITIVE_INFINITY
      for (const { target } of users.get(userId) ?? nobody) if (target < least) least = target
      if (least < Number.POSITIVE_INFINITY) known.set(userId, least)
    }
    return known
  }

  const raise = (counters: ReadonlyMap<string, number>) => {
    for (const [userId, seq] of counters) {
      for (const connection of users.get(userId) ?? nobody) {
        connection.target = Math.max(connection.target, seq)
        if (!connection.replaying && connection.last < connection.target) startCatchUp(connection)
      }
    }
  }

  let blind = false
  /** Looks at the counters of all connected users, some at a time and spread over a duration, for there may be ten thousand. */
  const heal = (over: Duration.Duration) =>
    Effect.gen(function* () {
      const all = [...users.keys()]
      const pause = Duration.times(over, 1 / Math.max(1, Math.ceil(all.length / usersOfALook)))
      // Not by `Array.chunksOf`, which copies what is left for every piece: 4 MB of ten thousand users.
      for (let from = 0; from < all.length; from += usersOfALook) {
        if (from > 0) yield* Effect.sleep(pause)
        raise(yield* notifications.countersPast(reached(all.slice(from, from + usersOfALook))))
        if (blind) yield* Effect.logInfo("notifications can be read again")
        blind = false
      }
    }).pipe(
      Effect.catchTag("SqlError", (fault) => {
        const log = blind ? Effect.logDebug : Effect.logWarning
        blind = true
        return log("notifications cannot be read for now, trying on", fault)
      }),
      Effect.withTracerEnabled(false),
    )

  let turn = 0
  const ping = Effect.gen(function* () {
    turn = (turn + 1) % turns
    const connections = [...(pinged[turn] ?? [])]
    const groups = Array.chunksOf(connections, Math.ceil(connections.length / groupsOfATurn))
    for (const [index, group] of groups.entries()) {
      if (index > 0) yield* Effect.sleep(Duration.times(turnInterval, 1 / groupsOfATurn))
      for (const one of group) one.ping()
    }
  })

  const expire = Effect.map(Clock.currentTimeMillis, (now) => {
    for (const one of expiring) if (one.expiresAt <= now) one.close(closeCodes.expired, "the token has expired")
  })

  /** Everybody is told to come again, and has a moment to take it in. */
  const sayGoodbye = Effect.async<void>((resume) => {
    leaving = true
    const done = () => {
      clearTimeout(timer)
      for (const mine of users.values()) for (const one of mine) one.terminate()
      resume(Effect.void)
    }
    // A timer of Node's, for a finalizer cannot be interrupted by one of Effect's.
    const timer = setTimeout(done, farewell)
    for (const mine of users.values()) for (const one of mine) one.close(closeCodes.shutdown, "the service restarts")
    whenEmpty = done
    if (users.size === 0) done()
  })

  const authorize: Handshake.HandshakeOptions["authorize"] = (request, asked) =>
    permit(access, request, asked).pipe(
      Effect.either,
      Effect.tapDefect((cause) => Effect.logError("a stream was not opened for an unexpected reason", cause)),
      Runtime.runPromise(runtime),
    )

  yield* Effect.acquireRelease(
    Effect.sync(() =>
      Handshake.listen({
        server,
        origins,
        path: pushPath,
        authorize,
        accept: (socket, allowed, after) => accept(new WebSocketConnection(socket, allowed), after),
      }),
    ),
    (stop) => Effect.sync(stop),
  )
  yield* beforeDrain(sayGoodbye)
  // Whoever has been deaf for a while may have missed something.
  yield* instances.listen({ onHint: offer, onReady: heal(Duration.zero) })
  yield* Effect.forkScoped(Effect.repeat(heal(healInterval), Schedule.fixed(healInterval)))
  yield* Effect.forkScoped(Effect.schedule(expire, Schedule.spaced(expiryInterval)))
  yield* Effect.forkScoped(Effect.schedule(ping, Schedule.fixed(turnInterval)))
  return { announce, accept }
})
