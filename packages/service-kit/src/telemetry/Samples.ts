import { Effect, type Scope } from "effect"

/** Like Effect's metrics, of the process. */
const samples = new Set<() => void>()

/**
 * Has gauges brought up to date whenever the metrics are read, for as long as the scope: for what is cheap to look at and is of no interest
 * in between, such as the size of a pool.
 */
export const register = (sample: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => samples.add(sample)),
    () => Effect.sync(() => samples.delete(sample)),
  ).pipe(Effect.asVoid)

/** Takes all samples now. */
export const take: Effect.Effect<void> = Effect.sync(() => {
  for (const sample of samples) sample()
})
