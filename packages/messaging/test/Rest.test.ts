import { describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, TestClock } from "effect"
import { expect } from "vitest"
import * as Rest from "../src/internal/Rest.js"

/** Whether the pause is over without the clock going on. */
const isOver = (rest: Rest.Rest) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(rest.over)
    yield* TestClock.adjust(0)
    const ended = yield* Fiber.poll(fiber)
    yield* Fiber.interrupt(fiber)
    return Option.isSome(ended)
  })

const batchOf = (rest: Rest.Rest, milliseconds: number) =>
  rest.over.pipe(Effect.zipRight(TestClock.adjust(milliseconds)), Effect.zipRight(rest.begin))

describe("the pause after a batch", () => {
  it.effect("is as long as the batch took, times the multiple, and holds up nobody who comes later", () =>
    Effect.gen(function* () {
      const rest = yield* Rest.make(2)
      yield* batchOf(rest, 10)
      yield* TestClock.adjust(19)
      expect(yield* isOver(rest)).toBe(false)
      yield* TestClock.adjust(1)
      expect(yield* isOver(rest)).toBe(true)
    }),
  )

  it.effect("is 50 ms at most, also when the clock was set back", () =>
    Effect.gen(function* () {
      const rest = yield* Rest.make(2)
      yield* batchOf(rest, 10_000)
      yield* TestClock.setTime(0)
      const fiber = yield* Effect.fork(rest.over)
      yield* TestClock.adjust(50)
      expect(Option.isSome(yield* Fiber.poll(fiber))).toBe(true)
    }),
  )

  it.effect("is none with a multiple of 0", () =>
    Effect.gen(function* () {
      const rest = yield* Rest.make(0)
      yield* batchOf(rest, 10)
      expect(yield* isOver(rest)).toBe(true)
    }),
  )
})
