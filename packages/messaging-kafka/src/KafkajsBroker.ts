import { BatchTooLarge, Broker, BrokerUnavailable } from "@tandem/messaging/Broker"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Effect, Layer, Runtime } from "effect"
import kafkajs, { type Admin, type Producer } from "kafkajs"
import * as KafkajsSubscription from "./KafkajsSubscription.js"

// kafkajs is CommonJS, and not all of its names are visible to an import.
const { Kafka, KafkaJSProtocolError, logLevel, Partitioners } = kafkajs

/** Which Kafka, and how safe its topics are. */
export interface KafkajsBrokerOptions {
  /** `host:port` of some of its brokers. */
  readonly brokers: ReadonlyArray<string>
  /** How the service calls itself at the broker. */
  readonly clientId: string
  /** Copies of each partition of a topic that is made; the smaller of 3 and the number of brokers when absent. */
  readonly replicationFactor?: number
  /** Copies that must have a message before it is acknowledged; one less than the replication factor when absent, 1 at least. */
  readonly minInsyncReplicas?: number
}

/** One request carries no more than this, in bytes: a broker refuses a batch of a partition over 1 MiB. */
const maximumRequestBytes = 900 * 1024

/** What a message costs beside key, value and headers, in bytes, generously. */
const framingBytes = 100

/** How long messages are kept when nobody says, in ms: 30 days. */
const defaultRetention = 30 * 24 * 60 * 60 * 1_000

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
export const layer = (options: KafkajsBrokerOptions): Layer.Layer<Broker> => Layer.scoped(Broker, make(options))

const make = (options: KafkajsBrokerOptions) =>
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
    const admin = yield* connection<Admin>(() => kafka.admin({ retry: { ...retry, retries: 1 } }))
    const producer = yield* connection<Producer>(() =>
      kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: Partitioners.DefaultPartitioner,
        retry,
      }),
    )
    const turn = yield* Effect.makeSemaphore(1)

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
          const replicationFactor = options.replicationFactor ?? Math.min(3, brokers.length)
          const minInsyncReplicas = options.minInsyncReplicas ?? Math.max(1, replicationFactor - 1)
          await connected.createTopics({
            waitForLeaders: true,
            topics: missing.map((topic) => ({
              topic: topic.name,
              numPartitions: topic.partitions,
              replicationFactor,
              configEntries: [
                { name: "retention.ms", value: String(topic.retentionMs ?? defaultRetention) },
                { name: "min.insync.replicas", value: String(minInsyncReplicas) },
              ],
            })),
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

interface Connectable {
  readonly connect: () => Promise<void>
  readonly disconnect: () => Promise<void>
}

/** A client that is connected when it is first used, and thrown away after any error: an idempotent producer is of no use then. */
const connection = <C extends Connectable>(create: () => C) =>
  Effect.gen(function* () {
    let current: Promise<C> | undefined
    const connected = () => {
      current ??= (async () => {
        const client = create()
        await client.connect()
        return client
      })()
      return current
    }
    const dispose = (client: Promise<C> | undefined) =>
      client?.then((connected) => connected.disconnect()).catch(() => undefined)
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => dispose(current)).pipe(Effect.interruptible, Effect.timeoutOption("3 seconds")),
    )
    const use = <A>(operation: BrokerUnavailable["operation"], call: (client: C) => Promise<A>) =>
      Effect.tryPromise({
        try: async () => {
          const mine = connected()
          try {
            return await call(await mine)
          } catch (error) {
            if (current === mine) current = undefined
            void dispose(mine)
            throw error
          }
        },
        catch: (cause) => new BrokerUnavailable({ operation, cause }),
      })
    return { use }
  })

/** Requests that a broker takes each, in order. */
const bounded = (messages: ReadonlyArray<OutgoingMessage>): ReadonlyArray<ReadonlyArray<OutgoingMessage>> => {
  const requests: Array<Array<OutgoingMessage>> = []
  let bytes = Number.POSITIVE_INFINITY
  for (const message of messages) {
    const size = (message.value?.byteLength ?? 0) + (message.key?.length ?? 0) * 3 + framingBytes
    if (bytes + size > maximumRequestBytes) {
      requests.push([])
      bytes = 0
    }
    bytes += size
    requests.at(-1)?.push(message)
  }
  return requests
}

const byTopic = (messages: ReadonlyArray<OutgoingMessage>) => {
  const topics = new Map<string, Array<{ key: string | null; value: Buffer | null; headers: Record<string, string> }>>()
  for (const { topic, key, value, headers } of messages) {
    const bytes = value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    const entry = { key, value: bytes, headers: { ...headers } }
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [entry])
    else known.push(entry)
  }
  return [...topics].map(([topic, entries]) => ({ topic, messages: entries }))
}
