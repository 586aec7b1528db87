import { SqlError } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import * as GroupCommit from "@tandem/service-kit/GroupCommit"
import { Cause, Data, Deferred, Effect, Exit, FastCheck, Fiber, Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"

class Refused extends Data.TaggedError("Refused")<{ readonly item: number }> {}

interface Batch {
  readonly items: ReadonlyArray<number>
  readonly finish: Effect.Effect<boolean>
  readonly fail: (error: unknown) => Effect.Effect<boolean>
}

/** A writer whose statements end when the test says so. Writes the double of each item. */
const controlled = (options: Partial<GroupCommit.GroupCommitOptions<number, number, unknown, never>> = {}) =>
  Effect.gen(function* () {
    const batches: Array<Batch> = []
    let over = false
    const { submit } = yield* GroupCommit.make({
      name: "doubles",
      run: (items: NonEmptyReadonlyArray<number>) =>
        Effect.gen(function* () {
          const end = yield* Deferred.make<void, unknown>()
          if (over) return items
          batches.push({
            items,
            finish: Deferred.succeed(end, undefined),
            fail: (error) => Deferred.fail(end, error),
          })
          yield* Deferred.await(end)
          return items.map((item) => item * 2)
        }),
      ...options,
    })
    const finishAll = Effect.suspend(() => {
      over = true
      return Effect.forEach(batches, ({ finish }) => finish)
    })
    return { submit, batches, finishAll }
  })

/** The same for a test that may fail: it must not wait for statements which it has left open. */
const supervised = (options?: Parameters<typeof controlled>[0]) =>
  Effect.tap(controlled(options), ({ finishAll }) => Effect.addFinalizer(() => finishAll))

const settled = Effect.repeatN(Effect.yieldNow(), 20)

it.scoped("a lone request goes at once; what comes while two are under way goes together, in its order", () =>
  Effect.gen(function* () {
    const { submit, batches } = yield* supervised()
    const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], (item) => Effect.fork(submit(item)))
    yield* settled
    expect(batches.map(({ items }) => items)).toEqual([[1], [2]])
    yield* batches[1]?.finish ?? Effect.void
    yield* settled
    expect(batches.map(({ items }) => items)).toEqual([[1], [2], [3, 4, 5]])
    yield* Effect.forEach(batches, ({ finish }) => finish)
    expect(yield* Fiber.join(Fiber.all(fibers))).toEqual([2, 4, 6, 8, 10])
  }),
)

it.scoped("a statement takes maxBatch at most, and maxInFlight of them are under way", () =>
  Effect.gen(function* () {
    const { submit, batches } = yield* supervised({ maxInFlight: 1, maxBatch: 3 })
    const fibers = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (item) => Effect.fork(submit(item)))
    for (let done = 0; done < 4; done++) {
      yield* settled
      expect(batches.length).toBe(done + 1)
      yield* batches[done]?.finish ?? Effect.void
    }
    expect(yield* Fiber.join(Fiber.all(fibers))).toEqual([2, 4, 6, 8, 10, 12, 14, 16])
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4], [5, 6, 7], [8]])
  }),
)

it.live(
  "each request gets its own answer and only the culprits fail, whatever comes together and whatever is at fault",
  () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.array(
            FastCheck.record({
              fault: FastCheck.constantFrom("none", "none", "failure", "defect"),
              yields: FastCheck.nat(3),
            }),
            {
              minLength: 1,
              maxLength: 40,
            },
          ),
          FastCheck.integer({ min: 1, max: 3 }),
          FastCheck.integer({ min: 1, max: 7 }),
          (requests, maxInFlight, maxBatch) =>
            Effect.gen(function* () {
              let underWay = 0
              const written: Array<number> = []
              const { submit } = yield* GroupCommit.make({
                name: "property",
                maxInFlight,
                maxBatch,
                run: (items: NonEmptyReadonlyArray<number>) =>
                  Effect.gen(function* () {
                    underWay++
                    expect(underWay).toBeLessThanOrEqual(maxInFlight)
                    expect(items.length).toBeLessThanOrEqual(maxBatch)
                    yield* Effect.repeatN(Effect.yieldNow(), requests[items[0]]?.yields ?? 0)
                    underWay--
                    const culprit = items.find((item) => requests[item]?.fault !== "none")
                    if (culprit !== undefined) {
                      if (requests[culprit]?.fault === "defect") return yield* Effect.die(culprit)
                      return yield* Effect.fail(new Refused({ item: culprit }))
                    }
                    written.push(...items)
                    return items.map((item) => item * 2)
                  }),
              })
              const exits = yield* Effect.forEach(requests, (_, item) => Effect.exit(submit(item)), {
                concurrency: "unbounded",
              })
              exits.forEach((exit, item) => {
                const fault = requests[item]?.fault
                if (fault === "none") expect(exit).toEqual(Exit.succeed(item * 2))
                else if (fault === "defect") expect(exit).toEqual(Exit.die(item))
                else expect(Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit).toEqual(new Refused({ item }))
              })
              const good = requests.flatMap(({ fault }, item) => (fault === "none" ? [item] : []))
              expect(written.toSorted((a, b) => a - b)).toEqual(good)
            }).pipe(Effect.scoped, Effect.runPromise),
        ),
        { numRuns: 200 },
      ),
    ),
)

it.scoped("when the database is gone all fail at once, and nobody is tried alone", () =>
  Effect.gen(function* () {
    const { submit, batches } = yield* supervised({ maxInFlight: 1 })
    const fibers = yield* Effect.forEach([1, 2, 3], (item) => Effect.fork(Effect.flip(submit(item))))
    yield* settled
    yield* batches[0]?.finish ?? Effect.void
    yield* settled
    const gone = new SqlError.SqlError({ message: "Connection terminated", cause: new Error("Connection terminated") })
    yield* batches[1]?.fail(gone) ?? Effect.void
    const errors = yield* Effect.forEach(fibers.slice(1), Fiber.join)
    expect(errors).toEqual([gone, gone])
    expect(batches.length).toBe(2)
    yield* Fiber.interruptAll(fibers)
  }),
)

it.scoped("a request that gives up while it waits is left out; one under way harms nobody", () =>
  Effect.gen(function* () {
    const { submit, batches } = yield* supervised({ maxInFlight: 1 })
    const [first, second, third] = yield* Effect.all([
      Effect.fork(submit(1)),
      Effect.fork(submit(2)),
      Effect.fork(submit(3)),
    ])
    yield* settled
    yield* Fiber.interrupt(second)
    yield* Fiber.interrupt(first)
    yield* batches[0]?.finish ?? Effect.void
    yield* settled
    expect(batches.map(({ items }) => items)).toEqual([[1], [3]])
    yield* batches[1]?.finish ?? Effect.void
    expect(yield* Fiber.join(third)).toBe(6)
  }),
)

it.scoped("over maxWaiting a request is refused and nothing of it is done", () =>
  Effect.gen(function* () {
    const { submit, batches } = yield* supervised({ maxInFlight: 1, maxWaiting: 2 })
    const fibers = yield* Effect.forEach([1, 2, 3], (item) => Effect.fork(submit(item)))
    yield* settled
    expect(yield* Effect.flip(submit(4))).toEqual(new GroupCommit.Overloaded({ name: "doubles", waiting: 2 }))
    yield* batches[0]?.finish ?? Effect.void
    yield* settled
    yield* batches[1]?.finish ?? Effect.void
    expect(yield* Fiber.join(Fiber.all(fibers))).toEqual([2, 4, 6])
    expect(batches.flatMap(({ items }) => items)).toEqual([1, 2, 3])
  }),
)

it.scoped("a wrong number of results is a defect for all, not somebody else's answer", () =>
  Effect.gen(function* () {
    const { submit } = yield* GroupCommit.make({
      name: "short",
      run: (items: NonEmptyReadonlyArray<number>) => Effect.succeed(items.slice(1)),
    })
    const exit = yield* Effect.exit(submit(1))
    expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
  }),
)

it.effect("the end of the scope waits for what is there and takes no more", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { submit, batches } = yield* Scope.extend(controlled({ maxInFlight: 1 }), scope)
    const fibers = yield* Effect.forEach([1, 2], (item) => Effect.fork(submit(item)))
    yield* settled
    const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
    yield* settled
    expect((yield* Effect.flip(submit(3))) instanceof GroupCommit.Overloaded).toBe(true)
    expect(yield* Fiber.poll(closing)).toMatchObject({ _tag: "None" })
    yield* batches[0]?.finish ?? Effect.void
    yield* settled
    yield* batches[1]?.finish ?? Effect.void
    yield* Fiber.join(closing)
    expect(yield* Fiber.join(Fiber.all(fibers))).toEqual([2, 4])
  }),
)
