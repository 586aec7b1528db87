import { BatchTooLarge, Broker, BrokerUnavailable } from "@tandem/messaging/Broker"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { partitionOfBytes } from "@tandem/messaging/Partitioner"
import { Effect, Layer, Runtime } from "effect"
import kafkajs, { type Admin, type PartitionerArgs, type Producer, type TopicMessages } from "kafkajs"
import { connection } from "./internal/Connection.js"
import { asBuffer, bounded, encodedOnce } from "./internal/Requests.js"
import { topicSettings } from "./internal/TopicSettings.js"
import type { KafkaBrokerOptions } from "./KafkaBrokerOptions.js"
import * as KafkajsSubscription from "./KafkajsSubscription.js"

// kafkajs is CommonJS, and not all of its names are visible to an import.
const { Kafka, KafkaJSProtocolError, logLevel } = kafkajs

/** The driver's own retries, short: whoever calls tries again with a schedule that he knows. */
const retry = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 }

/** kafkajs sets timers in the past, which newer Nodes remark on each time. Nothing can be done about it; other warnings are kept. */
const withoutTimerWarning = () => {
  const original = process.emitWarning
  if ("tandem" in original) return
  const filtered = (warning: string | Error, ...rest: ReadonlyArray<unknown>) => {
    if (rest[0] === "TimeoutNegativeWarning") return
    Reflect.apply(original, process, [warning, ...rest])
  }
  process.emitWarning = Object.assign(filtered, { tandem: true })
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof KafkaJSProtocolError &&
  (error.type === "MESSAGE_TOO_LARGE" || error.type === "RECORD_LIST_TOO_LARGE")

/**
 * The broker on Apache Kafka through kafkajs 2. An idempotent producer with one request under way and acknowledgement by all
 * replicas; consumers that store offsets apart from fetching. A Kafka that is away fails each call as `BrokerUnavailable`, and
 * neither building nor ending the layer waits for it.
 */
export const layer = (options: KafkaBrokerOptions): Layer.Layer<Broker> => Layer.scoped(Broker, make(options))

const make = (options: KafkaBrokerOptions) =>
  Effect.gen(function* () {
    withoutTimerWarning()
    const runtime = yield* Effect.runtime()
    const kafka = new Kafka({
      clientId: options.clientId,
      brokers: [...options.brokers],
      connectionTimeout: 3_000,
      requestTimeout: 15_000,
      retry,
      logLevel: logLevel.WARN,
      // What goes wrong comes back as an error and is told by whoever tries again; a fresh broker that still loads its
      // coordinator is no news.
      logCreator: () => (entry) => {
        Runtime.runFork(runtime)(Effect.logDebug(`kafkajs: ${entry.log.message}`, entry.log["error"] ?? ""))
      },
    })
    const admin = yield* connection<Admin>({
      open: connected(() => kafka.admin({ retry: { ...retry, retries: 1 } })),
      close: (client) => client.disconnect(),
    })
    const producer = yield* connection<Producer>({
      open: connected(() =>
        kafka.producer({
          idempotent: true,
          maxInFlightRequests: 1,
          allowAutoTopicCreation: false,
          createPartitioner: partitioner,
          retry,
        }),
      ),
      close: (client) => client.disconnect(),
    })
    const turn = yield* Effect.makeSemaphore(1)
    const byTopic = encoder()

    const publishSome = (messages: ReadonlyArray<OutgoingMessage>) =>
      producer
        .use("publish", (connected) => connected.sendBatch({ acks: -1, topicMessages: byTopic(messages) }))
        .pipe(
          Effect.asVoid,
          Effect.mapError((fault): BrokerUnavailable | BatchTooLarge =>
            isTooLarge(fault.cause) ? new BatchTooLarge({ messages: messages.length }) : fault,
          ),
        )

    return Broker.of({
      publish: (messages) => turn.withPermits(1)(Effect.forEach(bounded(messages), publishSome, { discard: true })),
      ensureTopics: (topics) =>
        admin.use("ensureTopics", async (connected) => {
          const existing = new Set(await connected.listTopics())
          const missing = topics.filter((topic) => !existing.has(topic.name))
          if (missing.length === 0) return
          const { brokers } = await connected.describeCluster()
          await connected.createTopics({
            waitForLeaders: true,
            topics: missing.map((topic) => {
              const { replicationFactor, configs } = topicSettings(options, topic, brokers.length)
              return { topic: topic.name, numPartitions: topic.partitions, replicationFactor, configEntries: configs }
            }),
          })
        }),
      ping: admin
        .use("ping", (connected) => connected.describeCluster())
        .pipe(
          Effect.asVoid,
          Effect.timeoutFail({
            duration: "2 seconds",
            onTimeout: () => new BrokerUnavailable({ operation: "ping", cause: new Error("no answer within 2 s") }),
          }),
        ),
      subscribe: (subscription) => KafkajsSubscription.subscribe(kafka, subscription),
    })
  })

const connected =
  <C extends { readonly connect: () => Promise<void> }>(create: () => C) =>
  async () => {
    const client = create()
    await client.connect()
    return client
  }

/** kafkajs's own partitioner counts in BigInts and takes an eighth of a request's time; the partitions are the same. */
const partitioner = () => {
  let keyless = 0
  return ({ partitionMetadata, message }: PartitionerArgs): number =>
    message.key instanceof Uint8Array
      ? partitionOfBytes(message.key, partitionMetadata.length)
      : keyless++ % partitionMetadata.length
}

/** Its form of messages. Buffers are measured once, where text would be measured and encoded several times. */
const encoder = () => {
  const encodeHeaders = encodedOnce((headers) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)])),
  )
  return (messages: ReadonlyArray<OutgoingMessage>): Array<TopicMessages> => {
    const topics = new Map<string, TopicMessages>()
    for (const { topic, key, value, headers } of messages) {
      const entry = {
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : asBuffer(value),
        headers: encodeHeaders(headers),
      }
      const known = topics.get(topic)
      if (known === undefined) topics.set(topic, { topic, messages: [entry] })
      else known.messages.push(entry)
    }
    return [...topics.values()]
  }
}
