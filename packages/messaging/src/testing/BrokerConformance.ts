import { describe, it } from "@effect/vitest"
import { type Context, Deferred, Effect, Exit, Fiber, Queue, Ref, Schedule, Scope, Stream } from "effect"
import { expect } from "vitest"
import type { Broker, PartitionBatch } from "../Broker.js"
import { maximumMessageBytes, type OutgoingMessage, type ReceivedMessage } from "../Message.js"

type Client = Context.Tag.Service<Broker>

/** A driver under test. */
export interface BrokerUnderTest {
  /** A client of its own, as another process would have it; all of them reach the same broker. */
  readonly connect: Effect.Effect<Client, unknown, Scope.Scope>
  /** Nothing to test it on: the suite is skipped. */
  readonly skip?: boolean
  /** Longer than the driver's session or lease. Some cases hold a batch for as long, so in ms: 0 leaves them out. */
  readonly sessionMs: number
}

const text = new TextDecoder()
const bytes = new TextEncoder()
const valueOf = (message: ReceivedMessage) => text.decode(message.value ?? undefined)

let names = 0
/** Every case has topics and groups of its own, so that one broker serves all of them. */
const unique = (what: string) => `${what}-${process.pid}-${Date.now().toString(36)}-${names++}`

const message = (topic: string, key: string | null, value: string): OutgoingMessage => ({
  topic,
  key,
  value: bytes.encode(value),
  headers: {},
})

const deadline = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.timeout(self, "40 seconds")

/** A member of a group that works as a consumer does: takes a batch, keeps what is in it, acknowledges. */
const member = (client: Client, group: string, topic: string, seen: Ref.Ref<ReadonlyArray<ReceivedMessage>>) =>
  client.subscribe({ group, topics: [topic], maxBatchMessages: 50 }).pipe(
    Stream.runForEach((batch) =>
      Effect.uninterruptible(
        Effect.zipRight(
          Ref.update(seen, (all) => [...all, ...batch.messages]),
          batch.acknowledge,
        ),
      ),
    ),
    Effect.retry(Schedule.spaced("50 millis")),
  )

const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  deadline(Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("10 millis") }))

const inScope = <A, E>(scope: Scope.Scope, self: Effect.Effect<A, E, Scope.Scope>) => Scope.extend(self, scope)

/** Batches as they come, in the hands of the test. */
const hold = (client: Client, group: string, topic: string, maxBatchMessages = 500) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const queue = yield* Queue.unbounded<PartitionBatch>()
    yield* client.subscribe({ group, topics: [topic], maxBatchMessages }).pipe(
      Stream.runForEach((batch) => Queue.offer(queue, batch)),
      Effect.retry(Schedule.spaced("50 millis")),
      Effect.forkScoped,
      (fork) => inScope(scope, fork),
    )
    return { next: deadline(Queue.take(queue)), queue, leave: Scope.close(scope, Exit.void) }
  })

/** Everything up to `count` messages, acknowledged, by a member that then leaves. */
const consume = (client: Client, group: string, topic: string, count: number) =>
  Effect.gen(function* () {
    const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
    const fiber = yield* Effect.fork(member(client, group, topic, seen))
    yield* until(Effect.map(Ref.get(seen), (all) => all.length >= count))
    yield* Fiber.interrupt(fiber)
    return yield* Ref.get(seen)
  })

const setUp = (under: BrokerUnderTest, partitions: number) =>
  Effect.gen(function* () {
    const client = yield* Effect.orDie(under.connect)
    const topic = unique("topic")
    yield* Effect.retry(client.ensureTopics([{ name: topic, partitions }]), Schedule.spaced("200 millis"))
    return { client, topic, group: unique("group") }
  })

/** What a driver of the Broker port promises, the same for every one of them. */
export const brokerConformance = (name: string, under: BrokerUnderTest): void => {
  describe.skipIf(under.skip ?? false)(`${name} keeps the promises of the Broker port`, () => {
    const slow = 90_000

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
          expect(seen.map((one) => one.offset)).toEqual([0n, 1n, 2n, 3n])
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
      "has one batch of a partition with the consumer at a time, and none larger than asked for",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 1)
          yield* client.publish(Array.from({ length: 25 }, (_, index) => message(topic, "k", String(index))))
          const { next, queue, leave } = yield* hold(client, group, topic, 10)
          const seen: Array<string> = []
          for (const size of [10, 10, 5]) {
            const batch = yield* next
            expect(batch.messages.length).toBeLessThanOrEqual(size)
            seen.push(...batch.messages.map(valueOf))
            yield* Effect.sleep("150 millis")
            expect(yield* Queue.size(queue)).toBe(0)
            yield* batch.acknowledge
          }
          while (seen.length < 25) {
            const batch = yield* next
            seen.push(...batch.messages.map(valueOf))
            yield* batch.acknowledge
          }
          expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => String(index)))
          yield* leave
        }),
      slow,
    )

    it.scopedLive(
      "remembers what a group acknowledged and delivers again what it did not",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 1)
          yield* client.publish([message(topic, "k", "1"), message(topic, "k", "2")])
          const first = yield* hold(client, group, topic, 1)
          const one = yield* first.next
          yield* one.acknowledge
          const two = yield* first.next
          expect([one, two].map((batch) => batch.messages.map(valueOf))).toEqual([["1"], ["2"]])
          yield* first.leave
          const again = yield* consume(client, group, topic, 1)
          expect(again.map(valueOf)).toEqual(["2"])
          const other = yield* consume(client, unique("group"), topic, 2)
          expect(other.map(valueOf)).toEqual(["1", "2"])
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
      "shares partitions between members and loses nothing when they come and go",
      () =>
        Effect.gen(function* () {
          const { client, topic, group } = yield* setUp(under, 8)
          const other = yield* Effect.orDie(under.connect)
          const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
          const total = 1_600
          const one = yield* Effect.fork(member(client, group, topic, seen))
          const publishing = yield* Effect.fork(
            Effect.forEach(
              Array.from({ length: total / 16 }, (_, round) => round),
              (round) =>
                Effect.zipRight(
                  client.publish(Array.from({ length: 16 }, (_, key) => message(topic, `k${key}`, `${key}:${round}`))),
                  Effect.sleep("20 millis"),
                ),
              { discard: true },
            ),
          )
          yield* until(Effect.map(Ref.get(seen), (all) => all.length > 100))
          const two = yield* Effect.fork(member(other, group, topic, seen))
          yield* until(Effect.map(Ref.get(seen), (all) => all.length > 800))
          yield* Fiber.interrupt(one)
          yield* Fiber.join(publishing)
          yield* until(Effect.map(Ref.get(seen), (all) => new Set(all.map(valueOf)).size === total))
          yield* Fiber.interrupt(two)
          // First appearances of each key are in order, whoever had it.
          const firsts = [...new Set((yield* Ref.get(seen)).map(valueOf))]
          for (let key = 0; key < 16; key++) {
            const rounds = firsts
              .filter((value) => value.startsWith(`${key}:`))
              .map((value) => Number(value.split(":")[1]))
            expect(rounds).toEqual(Array.from({ length: total / 16 }, (_, round) => round))
          }
        }),
      slow,
    )

    if (under.sessionMs > 0)
      it.scopedLive(
        "does not give a batch to another while its consumer works on it for long",
        () =>
          Effect.gen(function* () {
            const { client, topic, group } = yield* setUp(under, 1)
            yield* client.publish([message(topic, "k", "1")])
            const first = yield* hold(client, group, topic)
            const batch = yield* first.next
            const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
            const other = yield* Effect.orDie(under.connect)
            const second = yield* Effect.fork(member(other, group, topic, seen))
            yield* Effect.sleep(under.sessionMs)
            expect((yield* Ref.get(seen)).map(valueOf)).toEqual([])
            yield* batch.acknowledge
            yield* client.publish([message(topic, "k", "2")])
            const rest = yield* Effect.fork(
              Effect.forever(
                Effect.flatMap(Queue.take(first.queue), (next) =>
                  Effect.zipRight(
                    Ref.update(seen, (all) => [...all, ...next.messages]),
                    next.acknowledge,
                  ),
                ),
              ),
            )
            yield* until(Effect.map(Ref.get(seen), (all) => all.length > 0))
            expect((yield* Ref.get(seen)).map(valueOf)).toEqual(["2"])
            yield* Fiber.interruptAll([second, rest])
            yield* first.leave
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
      "leaves a topic that exists as it is, fails on one that does not, and answers a ping",
      () =>
        Effect.gen(function* () {
          const { client, topic } = yield* setUp(under, 2)
          yield* client.publish([message(topic, "k", "1")])
          yield* client.ensureTopics([{ name: topic, partitions: 2 }])
          expect(yield* consume(client, unique("group"), topic, 1)).toHaveLength(1)
          const fault = yield* Effect.flip(client.publish([message(unique("missing"), "k", "1")]))
          expect(fault._tag).toBe("BrokerUnavailable")
          yield* client.ping
        }),
      slow,
    )
  })
}
