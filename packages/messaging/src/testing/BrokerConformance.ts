import { describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { expect } from "vitest"
import { maximumMessageBytes, type OutgoingMessage } from "../Message.js"
import { groupConformance } from "./GroupConformance.js"
import { type BrokerUnderTest, bytes, consume, hold, message, setUp, slow, text, unique, valueOf } from "./Harness.js"
import { outageConformance } from "./OutageConformance.js"
import { sessionConformance } from "./SessionConformance.js"

export { type BrokerUnderTest, type FreezableBroker, LeftOut, type RestartableBroker } from "./Harness.js"

const manyHeaders = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`header-${n}`, `значение ${n}`]))

/** What a driver of the Broker port promises, the same for every one of them. */
export const brokerConformance = (name: string, under: BrokerUnderTest): void => {
  describe.skipIf(under.skip ?? false)(`${name} keeps the promises of the Broker port`, () => {
    it.scopedLive(
      "delivers bytes, keys and headers as they were, null and empty ones too",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 1)
          const sent: ReadonlyArray<OutgoingMessage> = [
            {
              topic,
              key: "ключ",
              value: Uint8Array.of(0, 255, 1),
              headers: { a: "1", "content-type": "text/plain; é" },
            },
            { topic, key: null, value: bytes.encode("no key"), headers: {} },
            { topic, key: "k", value: null, headers: {} },
            { topic, key: "k", value: new Uint8Array(), headers: { empty: "" } },
            { topic, key: "", value: bytes.encode("an empty key is a key"), headers: {} },
            { topic, key: "k", value: bytes.encode("many headers"), headers: manyHeaders },
          ]
          yield* client.publish(sent)
          const seen = yield* consume(client, group, topic, sent.length)
          const shape = (key: string | null, value: Uint8Array | null, headers: Readonly<Record<string, string>>) => ({
            key,
            value: value === null ? null : [...value],
            headers,
          })
          expect(
            seen.map((one) => shape(one.key === null ? null : text.decode(one.key), one.value, one.headers)),
          ).toEqual(sent.map((one) => shape(one.key, one.value, one.headers)))
          expect(seen.map((one) => one.offset)).toEqual(sent.map((_, index) => BigInt(index)))
          // In ms: seconds or microseconds would be decades away.
          expect(seen.every((one) => Math.abs(one.timestamp - Date.now()) < 3_600_000)).toBe(true)
        }),
      slow,
    )

    it.scopedLive(
      "keeps the order of every one of thousands of keys, and each key to one partition",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 8)
          const keys = 2_000
          const rounds = 3
          for (let round = 0; round < rounds; round++) {
            yield* client.publish(Array.from({ length: keys }, (_, key) => message(topic, `key-${key}`, String(round))))
          }
          const seen = yield* consume(client, group, topic, keys * rounds)
          const perKey = new Map<string, { readonly partition: number; values: string }>()
          for (const one of seen) {
            const key = text.decode(one.key ?? undefined)
            const known = perKey.get(key) ?? { partition: one.partition, values: "" }
            expect(known.partition).toBe(one.partition)
            known.values += valueOf(one)
            perKey.set(key, known)
          }
          expect(perKey.size).toBe(keys)
          expect([...perKey.values()].every(({ values }) => values === "012")).toBe(true)
          expect(new Set(seen.map((one) => one.partition)).size).toBe(8)
        }),
      slow,
    )

    it.scopedLive(
      "tells how far the partition goes",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 1)
          yield* client.publish([message(topic, "k", "1"), message(topic, "k", "2"), message(topic, "k", "3")])
          const { next, leave } = yield* hold(client, group, topic, 1)
          expect((yield* next).highWatermark).toBe(3n)
          yield* leave
        }),
      slow,
    )

    it.scopedLive(
      "carries a message of the largest size, and more of them than one request can",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 1)
          const large = "x".repeat(maximumMessageBytes - 10)
          yield* client.publish(Array.from({ length: 4 }, (_, index) => message(topic, "k", `${index}${large}`)))
          const seen = yield* consume(client, group, topic, 4)
          expect(seen.map((one) => [valueOf(one).slice(0, 1), one.value?.byteLength])).toEqual(
            ["0", "1", "2", "3"].map((index) => [index, large.length + 1]),
          )
        }),
      slow,
    )

    it.scopedLive(
      "refuses a message that is too large by name, whatever is published with it, and goes on after it",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 1)
          const tooLarge = message(topic, "k", "x".repeat(maximumMessageBytes + 200_000))
          for (const messages of [[tooLarge], [message(topic, "k", "1"), tooLarge]]) {
            expect((yield* Effect.flip(client.publish(messages)))._tag).toBe("BatchTooLarge")
          }
          yield* client.publish([])
          yield* client.publish([message(topic, "k", "2")])
          // Of a refused call any part may be stored, but not what was refused.
          const { next, leave } = yield* hold(client, group, topic)
          const values: Array<string> = []
          while (!values.includes("2")) {
            const batch = yield* next
            values.push(...batch.messages.map(valueOf))
            yield* batch.acknowledge
          }
          yield* leave
          expect(values.filter((value) => value !== "1")).toEqual(["2"])
        }),
      slow,
    )

    it.scopedLive(
      "keeps the order of calls that come at once",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 4)
          const started = yield* Deferred.make<void>()
          const fibers = yield* Effect.forEach(
            Array.from({ length: 20 }, (_, index) => index),
            (index) =>
              Effect.fork(
                Effect.zipRight(
                  Deferred.await(started),
                  client.publish([message(topic, `k${index}`, "a"), message(topic, `k${index}`, "b")]),
                ),
              ),
          )
          yield* Deferred.succeed(started, undefined)
          yield* Fiber.joinAll(fibers)
          const seen = yield* consume(client, group, topic, 40)
          for (let index = 0; index < 20; index++) {
            const mine = seen.filter((one) => text.decode(one.key ?? undefined) === `k${index}`)
            expect(mine.map(valueOf)).toEqual(["a", "b"])
          }
        }),
      slow,
    )

    it.scopedLive(
      "makes a topic once, whoever asks at the same time, and leaves one that exists as it is",
      () =>
        Effect.gen(function* () {
          const { client, topic } = yield* setUp(under, 2)
          yield* client.publish([message(topic, "k", "1")])
          const others = yield* Effect.orDie(Effect.all([under.connect, under.connect]))
          const made = unique("topic")
          yield* Effect.forEach(
            [client, ...others],
            (one) =>
              one.ensureTopics([
                { name: topic, partitions: 5 },
                { name: made, partitions: 3 },
              ]),
            { concurrency: "unbounded" },
          )
          const keys = Array.from({ length: 60 }, (_, n) => `k${n}`)
          for (const name of [topic, made]) yield* client.publish(keys.map((key) => message(name, key, "2")))
          for (const [name, messages, partitions] of [
            [topic, 61, 2],
            [made, 60, 3],
          ] as const) {
            const seen = yield* consume(client, unique("group"), name, messages)
            expect(new Set(seen.map((one) => one.partition)).size).toBe(partitions)
          }
        }),
      slow,
    )

    it.scopedLive(
      "fails on a topic that does not exist, and answers a ping",
      () =>
        Effect.gen(function* () {
          const { client } = yield* setUp(under, 1)
          const fault = yield* Effect.flip(client.publish([message(unique("missing"), "k", "1")]))
          expect(fault._tag).toBe("BrokerUnavailable")
          yield* client.ping
        }),
      slow,
    )

    groupConformance(under)
    // Side by side, for they wait most of their time.
    describe.concurrent("over a while", () => {
      sessionConformance(under)
      outageConformance(under)
    })
  })
}
