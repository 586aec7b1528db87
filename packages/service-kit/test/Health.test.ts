import { expect, it } from "@effect/vitest"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Deferred, Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { expectProblem } from "./expectProblem.js"
import { secret } from "./SampleApi.js"
import { ask, serve } from "./server.js"

it.scopedLive("live and ready answer 200, ready with every check by name", () =>
  Effect.gen(function* () {
    const { port, health } = yield* serve()
    yield* health.register("database", Effect.void)
    const live = yield* ask(port, "/health/live")
    expect([live.status, JSON.parse(live.text)]).toEqual([200, { status: "live" }])
    const ready = yield* ask(port, "/health/ready")
    expect([ready.status, JSON.parse(ready.text)]).toEqual([200, { status: "ready", checks: { database: "up" } }])
    expect(ready.headers["cache-control"]).toBe("no-store")
  }),
)

it.scopedLive("ready is a 503 that names what is down, and not why; live goes on", () =>
  Effect.gen(function* () {
    const { port, health } = yield* serve()
    yield* health.register("database", Effect.fail(secret))
    yield* health.register("relay", Effect.die(new Error(secret)))
    yield* health.register("broker", Effect.void)
    const ready = yield* ask(port, "/health/ready")
    expectProblem(ready, "service-unavailable")
    expect(JSON.parse(ready.text).detail).toBe("Not ready, for these are down: database, relay.")
    expect(ready.headers["retry-after"]).toBe("1")
    expect((yield* ask(port, "/health/live")).status).toBe(200)
  }),
)

it.scoped(
  "a check that hangs is down after 2 s and does not hold up the others, even where it cannot be interrupted",
  () =>
    Effect.gen(function* () {
      const { register, readiness } = yield* HealthChecks
      yield* register("stuck", Effect.uninterruptible(Effect.never))
      yield* register("fine", Effect.void)
      const asked = yield* Effect.fork(readiness)
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(asked)).toEqual({ stuck: false, fine: true })
    }).pipe(Effect.provide(HealthChecks.layer)),
)

it.scoped("an answer is kept for a second, whoever asks", () =>
  Effect.gen(function* () {
    const { register, readiness } = yield* HealthChecks
    let runs = 0
    yield* register(
      "counted",
      Effect.sync(() => void runs++),
    )
    yield* Effect.all([readiness, readiness, readiness], { concurrency: "unbounded" })
    expect(runs).toBe(1)
    yield* TestClock.adjust("999 millis")
    yield* readiness
    expect(runs).toBe(1)
    yield* TestClock.adjust("1 millis")
    yield* readiness
    expect(runs).toBe(2)
  }).pipe(Effect.provide(HealthChecks.layer)),
)

it.scoped("who stops waiting for an answer does not spoil it for the others", () =>
  Effect.gen(function* () {
    const { register, readiness } = yield* HealthChecks
    const gate = yield* Deferred.make<void>()
    const running = yield* Deferred.make<void>()
    yield* register("slow", Effect.zipRight(Deferred.succeed(running, undefined), Deferred.await(gate)))
    const impatient = yield* Effect.fork(readiness)
    const patient = yield* Effect.fork(readiness)
    yield* Deferred.await(running)
    yield* Fiber.interrupt(impatient)
    yield* Deferred.succeed(gate, undefined)
    expect(yield* Fiber.join(patient)).toEqual({ slow: true })
  }).pipe(Effect.provide(HealthChecks.layer)),
)

it.scoped("a check lives as long as the feature that registered it", () =>
  Effect.gen(function* () {
    const { register, readiness } = yield* HealthChecks
    const feature = yield* Scope.make()
    yield* Scope.extend(register("feature", Effect.fail("down")), feature)
    expect(yield* readiness).toEqual({ feature: false })
    yield* Scope.close(feature, Exit.void)
    yield* TestClock.adjust("1 seconds")
    expect(yield* readiness).toEqual({})
  }).pipe(Effect.provide(HealthChecks.layer)),
)
