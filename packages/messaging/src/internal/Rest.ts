import { Clock, Effect, Ref } from "effect"

/** In ms. */
const longest = 50

/** A pause after each batch that is as long as the batch took, times something. */
export interface Rest {
  /** A batch is through. */
  readonly begin: Effect.Effect<void>
  /** Waits for what is left of the pause; the next batch's time counts from here. */
  readonly over: Effect.Effect<void>
}

/** A pause of `multiple` times the last batch, 50 ms at most. */
export const make = (multiple: number): Effect.Effect<Rest> =>
  Effect.map(Ref.make({ from: 0, until: 0 }), (batch) => ({
    begin: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Ref.update(batch, ({ from }) => ({ from, until: now + Math.min(longest, multiple * Math.max(0, now - from)) })),
    ),
    over: Effect.gen(function* () {
      const left = (yield* Ref.get(batch)).until - (yield* Clock.currentTimeMillis)
      // A clock that was set back makes no longer pause.
      if (left > 0) yield* Effect.sleep(Math.min(longest, left))
      const from = yield* Clock.currentTimeMillis
      yield* Ref.update(batch, ({ until }) => ({ from, until }))
    }),
  }))
