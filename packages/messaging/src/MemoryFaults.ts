import { Duration, Effect, Random } from "effect"
import type { OutgoingMessage } from "./Message.js"

/** What goes wrong in a broker in memory, each as a probability between 0 and 1; nothing when absent. */
export interface MemoryFaults {
  /**
   * An acknowledgement is lost: a publish stores its messages and fails all the same, or what a consumer acknowledged is delivered to it
   * again. Nothing else is ever lost, as no broker that deserves the name loses what it has stored.
   */
  readonly lostAcknowledgement?: number
  /** A message is stored a second time, behind what was published after it. */
  readonly duplicate?: number
  /** A message is stored behind the next ones. Those of its own key wait for it, unless `breakKeyOrder`. */
  readonly reorder?: number
  /** Lets `reorder` and `duplicate` overtake within a key, as replays of dead letters do. False when absent. */
  readonly breakKeyOrder?: boolean
  /** A batch is handed over late: after a random part of this. Not at all when absent. */
  readonly delay?: Duration.DurationInput
}

/** The faults of one broker, as a seed has drawn them: the same calls in the same order meet the same ones. */
export interface DrawnFaults {
  /** The messages in the order in which they are stored, doubles among them. */
  readonly stored: (messages: ReadonlyArray<OutgoingMessage>) => Effect.Effect<ReadonlyArray<OutgoingMessage>>
  /** Whether this acknowledgement is lost. */
  readonly loses: Effect.Effect<boolean>
  /** Waits before a batch is handed over. */
  readonly delay: Effect.Effect<void>
}

/** No faults at all. */
export const none: DrawnFaults = {
  stored: Effect.succeed,
  loses: Effect.succeed(false),
  delay: Effect.void,
}

/** Draws faults from a seed: neither the clock nor any other randomness has a part in it. */
export const draw = (seed: number | string, faults: MemoryFaults): DrawnFaults => {
  const random = Random.make(seed)
  const chance = (probability = 0) =>
    probability === 0 ? Effect.succeed(false) : Effect.map(random.next, (drawn) => drawn < probability)
  const most = Duration.toMillis(faults.delay ?? 0)
  let late: Array<OutgoingMessage> = []

  /** What is late of this key, for nothing may overtake it. */
  const lateOf = (message: OutgoingMessage) => {
    const before = faults.breakKeyOrder === true ? [] : late.filter(({ key }) => key !== null && key === message.key)
    late = late.filter((one) => !before.includes(one))
    return before
  }

  /** All that is late and may overtake. */
  const overtaking = Effect.map(chance(faults.breakKeyOrder === true ? 0.5 : 0), (now) => (now ? late.splice(0) : []))

  return {
    loses: chance(faults.lostAcknowledgement),
    delay:
      most === 0 ? Effect.void : Effect.flatMap(random.nextRange(0, most), (ms) => Effect.sleep(Duration.millis(ms))),
    stored: (messages) =>
      Effect.gen(function* () {
        const stored: Array<OutgoingMessage> = []
        const held: Array<OutgoingMessage> = []
        for (const message of messages) {
          const release = held.findIndex(({ key }) => key !== null && key === message.key)
          if (release >= 0 && faults.breakKeyOrder !== true) stored.push(...held.splice(0))
          stored.push(...lateOf(message))
          if (yield* chance(faults.reorder)) held.push(message)
          else {
            stored.push(message)
            if (held.length > 0 && (yield* chance(0.5))) stored.push(...held.splice(0))
          }
          if (yield* chance(faults.duplicate)) late.push(message)
        }
        stored.push(...held, ...(yield* overtaking))
        return stored
      }),
  }
}
