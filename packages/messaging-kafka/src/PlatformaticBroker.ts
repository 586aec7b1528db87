import { setTimeout as delay } from "node:timers/promises"
import {
  Admin,
  compatibilityPartitioner,
  type GenericError,
  type MessageToProduce,
  Producer,
} from "@platformatic/kafka"
import { BatchTooLarge, Broker, BrokerUnavailable, type TopicSpec } from "@tandem/messaging/Broker"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Effect, Layer } from "effect"
import { connection } from "./internal/Connection.js"
import { asBuffer, bounded, encodedOnce } from "./internal/Requests.js"
import { topicSettings } from "./internal/TopicSettings.js"
import type { KafkaBrokerOptions } from "./KafkaBrokerOptions.js"
import * as PlatformaticSubscription from "./PlatformaticSubscription.js"

/** Where and how patiently the driver asks, in ms; its own retries are short, for whoever calls tries again with a schedule that he knows. */
const clientOptions = (options: KafkaBrokerOptions) => ({
  clientId: options.clientId,
  bootstrapBrokers: [...options.brokers],
  connectTimeout: 3_000,
  requestTimeout: 15_000,
  // Fewer than two would be taken for "for ever" by an idempotent producer.
  retries: 2,
  retryDelay: 200,
})

type Message = MessageToProduce<Buffer | null, Buffer | null, Buffer, Buffer>

/** How long a topic that was made may take to have leaders, in ms. */
const leadersWithin = 10_000

const has = (error: unknown, ...ids: ReadonlyArray<string>): boolean =>
  error instanceof Error && ids.some((id) => (error as GenericError).findBy?.("apiId", id) != null)

/**
 * The broker on Apache Kafka through `@platformatic/kafka`, the faster client. An idempotent producer with one request under way
 * and acknowledgement by all replicas; consumers that store offsets apart from fetching. A Kafka that is away fails each call as
 * `BrokerUnavailable`, and neither building nor ending the layer waits for it.
 */
export const layer = (options: KafkaBrokerOptions): Layer.Layer<Broker> => Layer.scoped(Broker, make(options))

const make = (options: KafkaBrokerOptions) =>
  Effect.gen(function* () {
    const admin = yield* connection({
      open: async () => new Admin(clientOptions(options)),
      close: (client) => client.close(),
    })
    const producer = yield* connection({
      open: async () =>
        new Producer<Buffer | null, Buffer | null, Buffer, Buffer>({
          ...clientOptions(options),
          idempotent: true,
          // Kafka's own; the client's default agrees with it only where the number of partitions is a power of two.
          partitioner: compatibilityPartitioner,
        }),
      close: (client) => client.close(),
    })
    const turn = yield* Effect.makeSemaphore(1)
    const toProduce = encoder()

    const publishSome = (messages: ReadonlyArray<OutgoingMessage>) =>
      producer
        .use("publish", (client) => client.send({ messages: toProduce(messages), acks: -1 }))
        .pipe(
          Effect.asVoid,
          Effect.mapError((fault): BrokerUnavailable | BatchTooLarge =>
            has(fault.cause, "MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE")
              ? new BatchTooLarge({ messages: messages.length })
              : fault,
          ),
        )

    return Broker.of({
      publish: (messages) => turn.withPermits(1)(Effect.forEach(bounded(messages), publishSome, { discard: true })),
      ensureTopics: (topics) => admin.use("ensureTopics", (client) => ensureTopics(client, options, topics)),
      ping: admin
        .use("ping", (client) => client.metadata({ topics: [], forceUpdate: true }))
        .pipe(
          Effect.asVoid,
          Effect.timeoutFail({
            duration: "2 seconds",
            onTimeout: () => new BrokerUnavailable({ operation: "ping", cause: new Error("no answer within 2 s") }),
          }),
        ),
      subscribe: (subscription) => PlatformaticSubscription.subscribe(options, subscription),
    })
  })

const ensureTopics = async (client: Admin, options: KafkaBrokerOptions, topics: ReadonlyArray<TopicSpec>) => {
  const existing = new Set(await client.listTopics())
  const missing = topics.filter((topic) => !existing.has(topic.name))
  if (missing.length === 0) return
  const { brokers } = await client.metadata({ topics: [], forceUpdate: true })
  for (const topic of missing) {
    const { replicationFactor, configs } = topicSettings(options, topic, brokers.size)
    await client
      .createTopics({ topics: [topic.name], partitions: topic.partitions, replicas: replicationFactor, configs })
      .catch((error: unknown) => {
        // Somebody else was quicker.
        if (!has(error, "TOPIC_ALREADY_EXISTS")) throw error
      })
  }
  const deadline = Date.now() + leadersWithin
  while (!(await haveLeaders(client, missing))) {
    if (Date.now() > deadline) throw new Error("the new topics have no leaders yet")
    await delay(50)
  }
}

const haveLeaders = async (client: Admin, topics: ReadonlyArray<TopicSpec>): Promise<boolean> => {
  try {
    const metadata = await client.metadata({ topics: topics.map((topic) => topic.name), forceUpdate: true })
    return topics.every(({ name }) => metadata.topics.get(name)?.partitions.every(({ leader }) => leader >= 0) ?? false)
  } catch {
    return false
  }
}

/** The client's form of messages. */
const encoder = () => {
  let keyless = 0
  const encodeHeaders = encodedOnce(
    (headers) => new Map(Object.entries(headers).map(([name, value]) => [Buffer.from(name), Buffer.from(value)])),
  )
  return (messages: ReadonlyArray<OutgoingMessage>) =>
    messages.map(({ topic, key, value, headers }): Message => {
      const bytes = value === null ? null : asBuffer(value)
      return key === null
        ? // The client takes it modulo the number of partitions.
          { topic, key, value: bytes, headers: encodeHeaders(headers), partition: keyless++ & 0x7fffffff }
        : { topic, key: Buffer.from(key), value: bytes, headers: encodeHeaders(headers) }
    })
}
