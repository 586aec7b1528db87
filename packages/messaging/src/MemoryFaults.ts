import { Duration, Effect, Random } from "effect"
import type { OutgoingMessage } from "./Message.js"

/** What goes wrong in a broker in memory, each as a probability between 0 and 1; nothing when absent. */
export interface MemoryFaults {
  /**
   * An acknowledgement is lost: a publish stores its messages and fails all the same, or what a consumer acknowledged is delivered to it
   * again. Nothing else is ever lost, as no broker that deserves the name loses what it has stored.
   */
  readonly lostAcknowledgement?: number
  /** A message is stored a second time, when something is published later; before the next one of its own key, unless `breakKeyOrder`. */
  readonly duplicate?: number
  /** A message is stored behind the next ones. Those of its own key wait for it, unless `breakKeyOrder`. */
  readonly reorder?: number
  /** Lets `reorder` change the order within a key, and `duplicate` come behind later messages of it, as replays of dead letters do. False when absent. */
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
  const mayOvertake = faults.breakKeyOrder === true
  let doubles: ReadonlyArray<OutgoingMessage> = []

  /** Those of the waiting doubles whose time has come, always before what they may not follow. */
  const due = (before: OutgoingMessage) =>
    Effect.gen(function* () {
      if (doubles.length === 0) return []
      const [waiting, now] = [[] as OutgoingMessage[], [] as OutgoingMessage[]]
      for (const double of doubles) {
        const must = !mayOvertake && isSameKey(double, before)
        if (must || (yield* chance(0.5))) now.push(double)
        else waiting.push(double)
      }
      doubles = waiting
      return now
    })

  return {
    loses: chance(faults.lostAcknowledgement),
    delay:
      most === 0 ? Effect.void : Effect.flatMap(random.nextRange(0, most), (ms) => Effect.sleep(Duration.millis(ms))),
    stored: (messages) =>
      Effect.gen(function* () {
        const stored: Array<OutgoingMessage> = []
        let held: ReadonlyArray<OutgoingMessage> = []
        for (const message of messages) {
          stored.push(...(yield* due(message)))
          if (!mayOvertake && held.some((one) => isSameKey(one, message))) {
            stored.push(...held)
            held = []
          }
          if (yield* chance(faults.reorder)) held = [...held, message]
          else {
            stored.push(message)
            if (held.length > 0 && (yield* chance(0.5))) {
              stored.push(...held)
              held = []
            }
          }
          if (yield* chance(faults.duplicate)) doubles = [...doubles, message]
        }
        return [...stored, ...held]
      }),
  }
}

/** Messages without a key have no order among each other. */
const isSameKey = (one: OutgoingMessage, other: OutgoingMessage) =>
  one.key !== null && one.key === other.key && one.topic === other.topic
