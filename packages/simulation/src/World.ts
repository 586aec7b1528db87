import { Clock, Duration, Effect, type Scheduler } from "effect"
import type { Draw } from "./Seeded.js"

interface Sleeper {
  readonly at: number
  readonly order: number
  readonly wake: () => void
}

/** When every simulation begins, in ms since the epoch. */
const beginning = Date.UTC(2026, 0, 1)

const realNow = Date.now

/** Does something while the process goes by another time; PostgreSQL, which is part of it, must never see the real one. */
export const goingBy = async <A>(now: () => number, work: () => Promise<A>): Promise<A> => {
  Date.now = now
  try {
    return await work()
  } finally {
    Date.now = realNow
  }
}

/**
 * Time and order of events, both decided by a seed: a clock that jumps to whoever sleeps shortest once nobody can go on, and a scheduler
 * that lets any of the fibers that can go on do so.
 */
export class World {
  private now = beginning
  private order = 0
  private readonly sleepers: Array<Sleeper> = []
  private readonly tasks: Array<() => void> = []
  private draining = false
  private hash = 0x811c9dc5
  private readonly draw: Draw

  constructor(draw: Draw) {
    this.draw = draw
  }

  /** ms since the epoch. */
  readonly time = (): number => this.now

  /** ms since the beginning. */
  get elapsed(): number {
    return this.now - beginning
  }

  /** What has happened so far, in a number (FNV-1a): two runs that say the same were the same. */
  get trace(): string {
    return this.hash.toString(16).padStart(8, "0")
  }

  /** Takes an event down. */
  note(event: string): void {
    for (const character of `${this.now} ${event}\n`) {
      this.hash = Math.imul(this.hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0
    }
  }

  readonly clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => this.now,
    currentTimeMillis: Effect.sync(() => this.now),
    unsafeCurrentTimeNanos: () => BigInt(this.now) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(this.now) * 1_000_000n),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        const sleeper = {
          at: this.now + Math.ceil(Duration.toMillis(duration)),
          order: this.order++,
          wake: () => resume(Effect.void),
        }
        this.sleepers.push(sleeper)
        return Effect.sync(() => {
          const place = this.sleepers.indexOf(sleeper)
          if (place >= 0) this.sleepers.splice(place, 1)
        })
      }),
  }

  /** Never by a timer of Node's, so that a turn of its event loop finds everybody waiting. */
  readonly scheduler: Scheduler.Scheduler = {
    shouldYield: (fiber) => (fiber.currentOpCount > 2_048 ? 0 : false),
    scheduleTask: (task) => {
      this.tasks.push(task)
      if (this.draining) return
      this.draining = true
      void Promise.resolve().then(() => {
        while (this.tasks.length > 0) {
          const [next] = this.tasks.splice(Math.floor(this.draw() * this.tasks.length), 1)
          next?.()
        }
        this.draining = false
      })
    },
  }

  /** Lets time pass until it says that it is over; fails when nobody will ever go on. */
  async run(isOver: () => boolean): Promise<void> {
    for (;;) {
      // Whoever can go on does so in microtasks, which are through by then.
      await new Promise((resolve) => setImmediate(resolve))
      if (isOver()) return
      let first = 0
      for (let place = 1; place < this.sleepers.length; place++) {
        const [one, other] = [this.sleepers[place], this.sleepers[first]]
        if (
          one !== undefined &&
          other !== undefined &&
          (one.at < other.at || (one.at === other.at && one.order < other.order))
        )
          first = place
      }
      const [next] = this.sleepers.splice(first, 1)
      if (next === undefined) throw new Error("everybody waits for somebody else")
      this.now = Math.max(this.now, next.at)
      next.wake()
    }
  }
}
