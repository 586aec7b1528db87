import { Cause, Clock, Context, Effect, Exit, Fiber, Layer, type Scope } from "effect"

/** How long a check may take before it counts as down. */
const patience = "2 seconds"

/** How long an answer is kept, in ms: probes and curious people must not become a load. */
const freshness = 1_000

/** Every registered check by name, true where it holds. */
export type Readiness = Readonly<Record<string, boolean>>

/** What must be up before a service is ready. Features register what they depend on. */
export class HealthChecks extends Context.Tag("@tandem/service-kit/HealthChecks")<
  HealthChecks,
  {
    /**
     * Adds a check for as long as the scope. It is down when it fails or takes over 2 s. Why it is down goes to the log, once
     * each time it changes, and to nobody else.
     */
    readonly register: (name: string, check: Effect.Effect<void, unknown>) => Effect.Effect<void, never, Scope.Scope>
    /** Runs all checks at once; an answer younger than 1 s is given again. */
    readonly readiness: Effect.Effect<Readiness>
  }
>() {
  /** No check at first: a service that depends on nothing is ready. */
  static readonly layer: Layer.Layer<HealthChecks> = Layer.scoped(
    HealthChecks,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const checks = new Map<string, Effect.Effect<void, unknown>>()
      const down = new Set<string>()

      const run = ([name, check]: [string, Effect.Effect<void, unknown>]) =>
        Effect.gen(function* () {
          const exit = yield* check.pipe(
            // A check that hangs in something that cannot be interrupted must not hold up the answer.
            Effect.disconnect,
            Effect.timeout(patience),
            Effect.withTracerEnabled(false),
            Effect.exit,
          )
          const holds = Exit.isSuccess(exit)
          if (Exit.isFailure(exit) && !down.has(name)) {
            yield* Effect.logWarning(`not ready: ${name} is down`, Cause.squash(exit.cause))
          }
          if (holds && down.has(name)) yield* Effect.logInfo(`${name} is up again`)
          if (holds) down.delete(name)
          else down.add(name)
          return [name, holds] as const
        })

      const runAll = Effect.map(
        Effect.suspend(() => Effect.forEach(checks, run, { concurrency: "unbounded" })),
        (results): Readiness => Object.fromEntries(results),
      )

      let latest: { readonly startedAt: number; readonly result: Fiber.Fiber<Readiness> } | undefined
      const readiness = Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        if (latest === undefined || now - latest.startedAt >= freshness) {
          // In the layer's scope, so that the prober who goes away does not end what others wait for.
          latest = { startedAt: now, result: yield* Effect.forkIn(runAll, scope) }
        }
        return yield* Fiber.join(latest.result)
      })

      const register = (name: string, check: Effect.Effect<void, unknown>) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            checks.set(name, check)
            latest = undefined
          }),
          () => Effect.sync(() => checks.delete(name)),
        )

      return { register, readiness }
    }),
  )
}
