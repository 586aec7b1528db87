import { describe, it } from "@effect/vitest"
import { Consumer } from "@platformatic/kafka"
import { kafkaIsMissing, sharedKafka } from "@tandem/dev-stack/TestKafka"
import { Broker, type PartitionBatch } from "@tandem/messaging/Broker"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import { partitionOf } from "@tandem/messaging/Partitioner"
import * as KafkaBroker from "@tandem/messaging-kafka/KafkaBroker"
import { Context, Effect, Fiber, Layer, Logger, Ref, Schedule, Stream } from "effect"
import { expect } from "vitest"
import { consume, keyOf, member, message, unique, until, valueOf } from "./clients.js"

const skip = kafkaIsMissing()
const brokers = skip ? "" : await sharedKafka()
const slow = 120_000
const clients = ["kafkajs", "platformatic"] as const

const connect = (client: KafkaBroker.KafkaClient) =>
  Effect.map(
    Layer.build(Layer.fresh(KafkaBroker.layer({ client, brokers: [brokers], clientId: "together" }))),
    Context.get(Broker),
  )

describe.skipIf(skip)("the two Kafka clients", () => {
  it.scopedLive(
    "choose Kafka's own partition for a key, whatever the number of partitions, and read what the other wrote",
    () =>
      Effect.gen(function* () {
        const [kafkajs, platformatic] = yield* Effect.all([connect("kafkajs"), connect("platformatic")])
        const keys = [...Array.from({ length: 200 }, (_, n) => `user-${n}`), "", "ключ", "a"]
        for (const partitions of [6, 8, 12]) {
          const topic = unique("both")
          yield* Effect.retry(platformatic.ensureTopics([{ name: topic, partitions }]), Schedule.spaced("200 millis"))
          yield* kafkajs.publish(keys.map((key) => message(topic, key, "kafkajs")))
          yield* platformatic.publish(keys.map((key) => message(topic, key, "platformatic")))
          for (const reader of [kafkajs, platformatic]) {
            const seen = yield* consume(reader, unique("group"), topic, keys.length * 2)
            expect(seen.filter((one) => one.partition !== partitionOf(keyOf(one), partitions))).toEqual([])
            for (const key of keys) {
              expect(seen.filter((one) => keyOf(one) === key).map(valueOf)).toEqual(["kafkajs", "platformatic"])
            }
            expect(seen.every((one) => one.headers["content-type"] === "text/plain")).toBe(true)
          }
        }
      }),
    slow,
  )

  for (const [first, second] of [clients, [...clients].reverse()] as const) {
    it.scopedLive(
      `share a group: a member on ${second} takes over from one on ${first} and nothing is lost or overtaken`,
      () =>
        Effect.gen(function* () {
          const [one, two] = yield* Effect.all([connect(first), connect(second)])
          const [topic, group] = [unique("change"), unique("group")]
          const [rounds, keys] = [60, 16]
          yield* Effect.retry(one.ensureTopics([{ name: topic, partitions: 8 }]), Schedule.spaced("200 millis"))
          const seenByOne = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
          const seenByTwo = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
          const publish = (from: number, to: number) =>
            Effect.forEach(
              Array.from({ length: to - from }, (_, n) => from + n),
              (round) =>
                one.publish(Array.from({ length: keys }, (_, key) => message(topic, `k${key}`, `${key}:${round}`))),
              { discard: true },
            )
          const memberOne = yield* Effect.fork(member(one, group, topic, seenByOne))
          yield* publish(0, 20)
          yield* until(Effect.map(Ref.get(seenByOne), (all) => all.length > 0))
          const memberTwo = yield* Effect.fork(member(two, group, topic, seenByTwo))
          // Both have partitions: each sees something of what is published until both have.
          yield* publish(20, 21).pipe(
            Effect.zipRight(Effect.sleep("100 millis")),
            Effect.repeat({ until: () => Effect.map(Ref.get(seenByTwo), (all) => all.length > 0) }),
            Effect.timeout("60 seconds"),
          )
          yield* publish(21, 40)
          yield* Fiber.interrupt(memberOne)
          yield* publish(40, rounds)
          const values = Effect.zipWith(Ref.get(seenByOne), Ref.get(seenByTwo), (a, b) => [...a, ...b].map(valueOf))
          yield* until(Effect.map(values, (all) => new Set(all).size === rounds * keys))
          yield* Fiber.interrupt(memberTwo)
          const firsts = [...new Set(yield* values)]
          expect(firsts).toHaveLength(rounds * keys)
          for (const seen of [yield* Ref.get(seenByOne), yield* Ref.get(seenByTwo)]) {
            for (let key = 0; key < keys; key++) {
              const order = [
                ...new Set(seen.filter((m) => keyOf(m) === `k${key}`).map((m) => Number(valueOf(m).split(":")[1]))),
              ]
              expect(order).toEqual([...order].sort((a, b) => a - b))
            }
          }
        }),
      slow,
    )
  }

  for (const client of clients) {
    it.scopedLive(
      `hold what arrives while a batch is in hand, and a rebalance too, so that nobody else gets it (${client})`,
      () =>
        Effect.gen(function* () {
          const [one, two] = yield* Effect.all([connect(client), connect(client)])
          const [topic, group] = [unique("hold"), unique("group")]
          const keys = Array.from({ length: 40 }, (_, n) => `k${n}`)
          yield* Effect.retry(one.ensureTopics([{ name: topic, partitions: 4 }]), Schedule.spaced("200 millis"))
          const publish = (value: string) => one.publish(keys.map((key) => message(topic, key, value)))
          yield* publish("first")
          const held = yield* Ref.make<ReadonlyArray<PartitionBatch>>([])
          yield* one.subscribe({ group, topics: [topic] }).pipe(
            Stream.runForEach((batch) => Ref.update(held, (all) => [...all, batch])),
            Effect.forkScoped,
          )
          const messages = Effect.map(Ref.get(held), (all) => all.flatMap((batch) => [...batch.messages]))
          yield* until(Effect.map(messages, (all) => all.length === keys.length))
          yield* publish("second")
          const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
          yield* Effect.forkScoped(member(two, group, topic, seen))
          // Longer than a heartbeat, through which a member hears of a rebalance.
          yield* Effect.sleep("3 seconds")
          expect((yield* messages).map(valueOf)).toEqual(keys.map(() => "first"))
          expect(yield* Ref.get(seen)).toEqual([])
          const first = yield* Ref.getAndSet(held, [])
          for (const batch of first) yield* batch.acknowledge
          // Both go on, each with its share.
          const acknowledgeAll = Effect.gen(function* () {
            for (const batch of yield* Ref.get(held)) yield* batch.acknowledge
          })
          yield* Effect.forkScoped(Effect.forever(Effect.zipRight(acknowledgeAll, Effect.sleep("10 millis"))))
          const rest = Effect.zipWith(messages, Ref.get(seen), (mine, theirs) => [...mine, ...theirs].map(valueOf))
          yield* until(Effect.map(rest, (all) => all.length >= keys.length))
          expect(yield* rest).toEqual(keys.map(() => "second"))
        }),
      slow,
    )

    it.scopedLive(
      `say in one sentence that a group has members of another kind, and join once they are gone (${client})`,
      () =>
        Effect.gen(function* () {
          const broker = yield* connect(client)
          const [topic, group] = [unique("foreign"), unique("group")]
          yield* Effect.retry(broker.ensureTopics([{ name: topic, partitions: 2 }]), Schedule.spaced("200 millis"))
          yield* broker.publish([message(topic, "k", "1")])
          const stranger = new Consumer({ clientId: "stranger", bootstrapBrokers: [brokers], groupId: group })
          stranger.topics.track(topic)
          yield* Effect.promise(() => stranger.joinGroup())
          const told: Array<string> = []
          const logger = Logger.make(({ logLevel, message: text }) => {
            if (logLevel._tag === "Error") told.push(String(text))
          })
          const sentence = `the consumer group ${group} has members whose client divides partitions by another protocol: end them first, or use another group`
          const fault = yield* Effect.flip(Stream.runDrain(broker.subscribe({ group, topics: [topic] }))).pipe(
            Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          )
          expect(fault.message).toBe(`the broker failed to subscribe: ${sentence}`)
          expect(told).toEqual([sentence])
          yield* Effect.async<void>((done) => stranger.close(true, () => done(Effect.void)))
          expect((yield* consume(broker, group, topic, 1)).map(valueOf)).toEqual(["1"])
        }),
      slow,
    )
  }
})
