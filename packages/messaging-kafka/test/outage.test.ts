import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, it } from "@effect/vitest"
import { type Kafka, startKafka } from "@tandem/dev-stack/Kafka"
import { jarsDirectory } from "@tandem/dev-stack/StateDirectory"
import { kafkaIsMissing } from "@tandem/dev-stack/TestKafka"
import { Broker } from "@tandem/messaging/Broker"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import * as KafkaBroker from "@tandem/messaging-kafka/KafkaBroker"
import { Context, Effect, Fiber, Layer, Ref, Schedule } from "effect"
import { expect } from "vitest"
import { keyOf, member, message, unique, until, valueOf } from "./clients.js"

const clients = ["kafkajs", "platformatic"] as const

const sockets = Effect.sync(() => process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length)

/** A Kafka of the test's own, which it may stop; as a scoped value so that it is gone in the end, whatever happens. */
const ownKafka = Effect.gen(function* () {
  const directory = mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "kafka-outage-"))
  let kafka: Kafka = yield* Effect.acquireRelease(
    Effect.promise(() => startKafka({ directory, jars: jarsDirectory })),
    () =>
      Effect.promise(() => kafka.stop()).pipe(
        Effect.zipRight(Effect.sync(() => rmSync(directory, { recursive: true }))),
      ),
  )
  const { brokers } = kafka
  return {
    brokers,
    kill: Effect.promise(() => kafka.kill9()),
    startAgain: Effect.promise(async () => {
      kafka = await startKafka({ directory, jars: jarsDirectory, port: Number(brokers.split(":")[1]) })
    }),
  }
})

describe.skipIf(kafkaIsMissing())("a Kafka that is killed and started again", () => {
  it.scopedLive(
    "loses nothing of what either client publishes and consumes meanwhile, and no socket is left in the end",
    () =>
      Effect.gen(function* () {
        const kafka = yield* ownKafka
        const socketsBefore = yield* sockets
        const [rounds, keys] = [60, 8]
        yield* Effect.scoped(
          Effect.gen(function* () {
            const running = yield* Effect.forEach(clients, (client) =>
              Effect.gen(function* () {
                const broker = Context.get(
                  yield* Layer.build(KafkaBroker.layer({ client, brokers: [kafka.brokers], clientId: "outage" })),
                  Broker,
                )
                const topic = unique(client)
                yield* Effect.retry(
                  broker.ensureTopics([{ name: topic, partitions: 4 }]),
                  Schedule.spaced("200 millis"),
                )
                const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
                const published = yield* Ref.make(0)
                const consuming = yield* Effect.fork(member(broker, unique("group"), topic, seen))
                const publishing = yield* Effect.fork(
                  Effect.forEach(
                    Array.from({ length: rounds }, (_, round) => round),
                    (round) =>
                      broker
                        .publish(Array.from({ length: keys }, (_, key) => message(topic, `k${key}`, String(round))))
                        .pipe(
                          Effect.retry(Schedule.spaced("100 millis")),
                          Effect.zipRight(Ref.set(published, round + 1)),
                          Effect.zipRight(Effect.sleep("20 millis")),
                        ),
                    { discard: true },
                  ),
                )
                return { broker, seen, published, consuming, publishing }
              }),
            )
            for (const one of running) {
              yield* until(Effect.map(Ref.get(one.seen), (all) => all.length > keys * 5))
              yield* one.broker.ping
            }
            yield* kafka.kill
            for (const one of running) expect((yield* Effect.flip(one.broker.ping))._tag).toBe("BrokerUnavailable")
            yield* kafka.startAgain
            for (const { seen, consuming, publishing } of running) {
              yield* Fiber.join(publishing)
              const values = Effect.map(
                Ref.get(seen),
                (all) => new Set(all.map((one) => `${keyOf(one)}:${valueOf(one)}`)),
              )
              yield* until(Effect.map(values, (all) => all.size === rounds * keys))
              for (let key = 0; key < keys; key++) {
                const firsts = [...(yield* values)].filter((value) => value.startsWith(`k${key}:`))
                expect(firsts).toEqual(Array.from({ length: rounds }, (_, round) => `k${key}:${round}`))
              }
              yield* Fiber.interrupt(consuming)
            }
          }),
        )
        yield* until(Effect.map(sockets, (open) => open <= socketsBefore))
      }),
    180_000,
  )
})
