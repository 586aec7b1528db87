import type { Mishap } from "./Gate.js"
import { oneOf, seeded, whole } from "./Seeded.js"

/** What a client does, at a moment in ms. */
export type Operation = { readonly at: number; readonly userId: string } & (
  | { readonly kind: "top up"; readonly amount: number }
  | { readonly kind: "order"; readonly id: string; readonly amount: number }
  | { readonly kind: "cancel" | "refund"; readonly id: string }
)

/** What goes wrong, at a moment in ms. */
export type Fault = { readonly at: number } & (
  | { readonly kind: "mishap"; readonly instance: string; readonly mishap: Mishap }
  | { readonly kind: "database away" | "broker away"; readonly instance: string; readonly lasts: number }
  | { readonly kind: "poison"; readonly topic: "requests" | "results"; readonly mark: string }
  /** Something that was said before is said again, under another id: no inbox knows it. `which` is a place among what was said, 0 to 1. */
  | { readonly kind: "repeat"; readonly which: number }
)

/** Everything that is decided beforehand; what follows from it, the seed decides. */
export interface Schedule {
  readonly seed: number
  /** Such as `order 1`. */
  readonly instances: ReadonlyArray<string>
  /** The broker may change the order within a key, too, as replays of dead letters do. */
  readonly breakKeyOrder: boolean
  readonly operations: ReadonlyArray<Operation>
  readonly faults: ReadonlyArray<Fault>
}

/** Clients go on for so long, faults begin for a little longer, in ms. */
export const busy = 4_000
const disturbed = 7_000

/** An id that sorts by its number, in the form of the real ones. */
const orderId = (number: number) => `019b7600-0000-7000-8000-${number.toString(16).padStart(12, "0")}`

/** The schedule of a seed. */
export const drawSchedule = (seed: number): Schedule => {
  const draw = seeded(seed)
  const users = Array.from({ length: whole(draw, 1, 3) }, (_, number) => `user-${number + 1}`)
  const instances = ["order", "payment"].flatMap((service) =>
    Array.from({ length: whole(draw, 1, 2) }, (_, number) => `${service} ${number + 1}`),
  )
  const userOf = () => users[whole(draw, 0, users.length - 1)] ?? "user-1"
  const operations: Array<Operation> = []
  for (const userId of users) {
    if (draw() < 0.9) operations.push({ kind: "top up", at: whole(draw, 0, 300), userId, amount: whole(draw, 1, 120) })
  }
  const orders = whole(draw, 2, 8)
  for (let number = 1; number <= orders; number++) {
    const [at, userId, id] = [whole(draw, 0, busy), userOf(), orderId(number)]
    operations.push({ kind: "order", at, userId, id, amount: whole(draw, 1, 60) })
    if (draw() < 0.35)
      operations.push({
        kind: "cancel",
        at: at + (draw() < 0.5 ? whole(draw, 1, 20) : whole(draw, 20, 1_500)),
        userId,
        id,
      })
    if (draw() < 0.35) operations.push({ kind: "refund", at: at + whole(draw, 50, 3_000), userId, id })
    if (draw() < 0.2) operations.push({ kind: "top up", at: whole(draw, 0, busy), userId, amount: whole(draw, 1, 80) })
  }
  const instanceOf = () => instances[whole(draw, 0, instances.length - 1)] ?? "order 1"
  const faults = Array.from({ length: whole(draw, 0, 6) }, (_, number): Fault => {
    const at = whole(draw, 0, disturbed)
    const choice = draw()
    if (choice < 0.1) {
      return { kind: "poison", at, topic: oneOf(draw, ["requests", "results"]), mark: `poison ${seed} ${number}` }
    }
    if (choice < 0.25) {
      return {
        kind: oneOf(draw, ["database away", "broker away"]),
        at,
        instance: instanceOf(),
        lasts: whole(draw, 50, 9_000),
      }
    }
    const mishap: Mishap = {
      kind: oneOf(draw, [
        "crash before",
        "crash after",
        "crash after",
        "connection lost before",
        "connection lost after",
        "freeze",
      ]),
      after: whole(draw, 0, 12),
      lasts: whole(draw, 100, 9_000),
    }
    return { kind: "mishap", at, instance: instanceOf(), mishap }
  })
  for (let repeats = whole(draw, 0, 4); repeats > 0; repeats--) {
    faults.push({ kind: "repeat", at: whole(draw, 200, disturbed), which: draw() })
  }
  return { seed, instances, breakKeyOrder: draw() < 0.4, operations, faults }
}
