import { it } from "@effect/vitest"
import * as MemoryBroker from "@tandem/messaging/MemoryBroker"
import type { MemoryFaults } from "@tandem/messaging/MemoryFaults"
import type { OutgoingMessage, ReceivedMessage } from "@tandem/messaging/Message"
import { brokerConformance, LeftOut } from "@tandem/messaging/testing/BrokerConformance"
import { Effect, Fiber, FastCheck as fc, Stream, TestClock, TestContext } from "effect"
import { describe, expect } from "vitest"

const cluster = Effect.runSync(MemoryBroker.cluster())

const noProcess = new LeftOut("a broker in memory has neither sessions nor a process of its own")

brokerConformance("MemoryBroker", {
  connect: cluster,
  sessionMs: noProcess,
  restartable: noProcess,
  freezable: noProcess,
})

const rounds = 30
const keys = ["a", "b", "c"]

const message = (key: string | null, n: number): OutgoingMessage => ({
  topic: "things",
  key,
  value: new TextEncoder().encode(`${key ?? ""}${n}`),
  headers: {},
})

const text = ({ value }: ReceivedMessage) => new TextDecoder().decode(value ?? undefined)

/** Everything that a consumer saw, in order, until it had seen each message once. */
const seenUnder = (seed: number, faults: MemoryFaults) =>
  Effect.gen(function* () {
    const broker = yield* Effect.flatten(MemoryBroker.cluster({ seed, faults }))
    yield* broker.ensureTopics([{ name: "things", partitions: 2 }])
    for (let n = 0; n < rounds; n++) {
      // As the relay does: what may not have been stored is published again.
      yield* Effect.retry(broker.publish(keys.map((key) => message(key, n))), { times: 100 })
    }
    const seen: Array<string> = []
    const consumer = yield* broker.subscribe({ group: "g", topics: ["things"], maxBatchMessages: 7 }).pipe(
      Stream.mapEffect((batch) =>
        Effect.zipRight(
          Effect.sync(() => seen.push(...batch.messages.map(text))),
          batch.acknowledge,
        ),
      ),
      Stream.takeUntil(() => new Set(seen).size === rounds * keys.length),
      Stream.runDrain,
      Effect.fork,
    )
    yield* TestClock.adjust("1 hour")
    yield* Fiber.join(consumer)
    return seen
  }).pipe(Effect.provide(TestContext.TestContext), Effect.runPromise)

const everything: MemoryFaults = { lostAcknowledgement: 0.3, duplicate: 0.3, reorder: 0.3, delay: "1 minute" }

/** First appearances of a key's messages, as their numbers. */
const firsts = (seen: ReadonlyArray<string>, key: string) =>
  [...new Set(seen.filter((one) => one.startsWith(key)))].map((one) => Number(one.slice(1)))

describe("MemoryBroker with faults", () => {
  it("gives the same faults for the same seed, and others for another", async () => {
    const first = await seenUnder(7, everything)
    expect(await seenUnder(7, everything)).toEqual(first)
    expect(await seenUnder(8, everything)).not.toEqual(first)
  })

  it("loses nothing and keeps the order of each key, whatever the seed", () =>
    fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const seen = await seenUnder(seed, everything)
        for (const key of keys) expect(firsts(seen, key)).toEqual(Array.from({ length: rounds }, (_, n) => n))
      }),
      { numRuns: 15 },
    ))

  it.each([
    ["a lost acknowledgement", { lostAcknowledgement: 0.5 }],
    ["a duplicate", { duplicate: 0.5 }],
  ] as const)("delivers again after %s", async (_, faults) => {
    expect((await seenUnder(1, faults)).length).toBeGreaterThan(rounds * keys.length)
  })

  it("delivers the doubles of messages whose key is never heard of again, or is none", async () => {
    const seen = await Effect.gen(function* () {
      const broker = yield* Effect.flatten(MemoryBroker.cluster({ seed: 1, faults: { duplicate: 1 } }))
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      for (let n = 0; n < 20; n++) yield* broker.publish([message(n % 2 === 0 ? `key-${n}-` : null, n)])
      const batches = yield* broker
        .subscribe({ group: "g", topics: ["things"] })
        .pipe(Stream.take(1), Stream.runCollect)
      return [...batches].flatMap((batch) => batch.messages.map(text))
    }).pipe(Effect.runPromise)
    // The last ones may still wait for something to come behind.
    expect(seen.length).toBeGreaterThanOrEqual(35)
    expect(new Set(seen).size).toBe(20)
  })

  it("reorders messages of different keys, and of one key only when asked", async () => {
    const plain = await seenUnder(1, {})
    expect(await seenUnder(1, { reorder: 0.5 })).not.toEqual(plain)
    const broken = await seenUnder(1, { duplicate: 0.5, reorder: 0.5, breakKeyOrder: true })
    const numbers = broken.filter((one) => one.startsWith("a")).map((one) => Number(one.slice(1)))
    expect(numbers).not.toEqual(numbers.toSorted((a, b) => a - b))
  })
})
