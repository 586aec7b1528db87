import { SqlError } from "@effect/sql"
import { BrokerUnavailable } from "@tandem/messaging/Broker"
import { Effect } from "effect"
import { type Draw, whole } from "./Seeded.js"
import type { World } from "./World.js"

/** What is to happen to an instance at one of its next calls. */
export interface Mishap {
  readonly kind: "crash before" | "crash after" | "connection lost before" | "connection lost after" | "freeze"
  /** How many calls of the kind go well before. */
  readonly after: number
  /** How long it is frozen, in ms. */
  readonly lasts: number
}

/** Everything that an instance does goes through its gate: what is dead does nothing any more, and calls take their time. */
export class Gate {
  alive = true
  private readonly mishaps: Array<{ -readonly [Key in keyof Mishap]: Mishap[Key] }> = []
  private databaseBack = 0
  private brokerBack = 0
  readonly name: string
  private readonly world: World
  private readonly draw: Draw
  private readonly onCrash: () => void

  constructor(name: string, world: World, draw: Draw, onCrash: () => void) {
    this.name = name
    this.world = world
    this.draw = draw
    this.onCrash = onCrash
  }

  /** Waits for one of the next calls. */
  arm(mishap: Mishap): void {
    this.mishaps.push({ ...mishap })
  }

  /** The database, or the broker, is out of reach for so many ms. */
  lose(what: "database" | "broker", ms: number): void {
    const back = this.world.elapsed + ms
    if (what === "database") this.databaseBack = Math.max(this.databaseBack, back)
    else this.brokerBack = Math.max(this.brokerBack, back)
  }

  /** Nothing more is to happen. */
  disarm(): void {
    this.mishaps.length = 0
  }

  crash(): void {
    if (!this.alive) return
    this.alive = false
    this.world.note(`${this.name} crashes`)
    this.onCrash()
  }

  /** A call of the database. `freeze` gets how long the session is to be silent in the middle of it. */
  statement<A>(
    what: string,
    call: Effect.Effect<A, SqlError.SqlError>,
    freeze: (ms: number) => Effect.Effect<never, SqlError.SqlError>,
  ): Effect.Effect<A, SqlError.SqlError> {
    return Effect.gen(this, function* () {
      yield* Effect.sleep(whole(this.draw, 0, 3))
      this.world.note(`${this.name} ${what}`)
      if (!this.alive) return yield* this.lost("the process is gone")
      if (this.world.elapsed < this.databaseBack) return yield* this.lost("connection refused")
      const mishap = this.next()
      if (mishap?.kind === "crash before") this.crash()
      if (mishap?.kind === "crash before" || mishap?.kind === "connection lost before")
        return yield* this.lost(mishap.kind)
      if (mishap?.kind === "freeze") return yield* freeze(mishap.lasts)
      const answer = yield* call
      if (mishap?.kind === "crash after") this.crash()
      if (mishap?.kind === "crash after" || mishap?.kind === "connection lost after")
        return yield* this.lost(mishap.kind)
      return answer
    })
  }

  /** A publish. */
  publish<E>(call: Effect.Effect<void, E>): Effect.Effect<void, E | BrokerUnavailable> {
    return Effect.gen(this, function* () {
      yield* Effect.sleep(whole(this.draw, 0, 5))
      this.world.note(`${this.name} publishes`)
      if (!this.alive || this.world.elapsed < this.brokerBack) return yield* unavailable
      const mishap = this.next()
      if (mishap?.kind === "crash before") this.crash()
      if (mishap?.kind === "crash before" || mishap?.kind === "connection lost before") return yield* unavailable
      if (mishap?.kind === "freeze") yield* Effect.sleep(mishap.lasts)
      yield* call
      if (mishap?.kind === "crash after") this.crash()
      if (mishap?.kind === "crash after" || mishap?.kind === "connection lost after") return yield* unavailable
    })
  }

  private lost(why: string): SqlError.SqlError {
    return new SqlError.SqlError({ cause: new Error(why), message: "Failed to execute statement" })
  }

  private next(): Mishap | undefined {
    const mishap = this.mishaps[0]
    if (mishap === undefined || mishap.after-- > 0) return undefined
    this.mishaps.shift()
    this.world.note(mishap.kind)
    return mishap
  }
}

const unavailable = Effect.suspend(
  () => new BrokerUnavailable({ operation: "publish", cause: new Error("out of reach") }),
)
