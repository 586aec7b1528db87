import type { BrokerUnavailable, PartitionBatch, SubscribeOptions } from "@tandem/messaging/Broker"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import { Effect, Stream } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import type { EachBatchPayload, Kafka, KafkaMessage } from "kafkajs"
import {
  batches,
  batchesAtOnce,
  ForeignMembers,
  heartbeatInterval,
  makeQueue,
  maximumWait,
  rebalanceTimeout,
  sessionTimeout,
  storeBehind,
  subscriptionLost,
  tellOfForeignMembers,
} from "./internal/Group.js"
import { Offsets } from "./internal/Offsets.js"

class Ending extends Error {}

/** The error itself, or what the driver wrapped. */
const isForeign = (error: unknown): boolean =>
  error instanceof Error &&
  (("type" in error && error.type === "INCONSISTENT_GROUP_PROTOCOL") || isForeign(error.cause))

/** One member of a consumer group, for as long as the stream runs. */
export const subscribe = (
  kafka: Kafka,
  { group, topics, maxBatchMessages = 500 }: SubscribeOptions,
): Stream.Stream<PartitionBatch, BrokerUnavailable> =>
  tellOfForeignMembers(
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const queue = yield* makeQueue
        const inHand = new Set<(reason: Ending) => void>()
        let ending = false
        const lossOf = (cause: unknown) =>
          subscriptionLost(isForeign(cause) ? new ForeignMembers(group, { cause }) : cause)

        const consumer = kafka.consumer({
          groupId: group,
          sessionTimeout,
          rebalanceTimeout,
          heartbeatInterval,
          allowAutoTopicCreation: false,
          minBytes: 1,
          maxWaitTimeInMs: maximumWait,
          // A crash ends the stream, and whoever runs it joins anew; the driver's own restart would leave him in the dark.
          retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4, restartOnFailure: async () => false },
        })
        consumer.on(consumer.events.CRASH, ({ payload }) => {
          queue.unsafeOffer(Effect.fail(lossOf(payload.error)))
        })
        const offsets = new Offsets((stored) =>
          consumer.commitOffsets(stored.map((next) => ({ ...next, offset: next.offset.toString() }))),
        )
        consumer.on(consumer.events.REBALANCING, () => {
          void offsets.store().catch(() => undefined)
        })
        consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
          offsets.keep((topic, partition) => payload.memberAssignment[topic]?.includes(partition) ?? false)
        })

        /** Hands messages over and waits until they are acknowledged, heartbeats going on. */
        const handOver = async (payload: EachBatchPayload, slice: ReadonlyArray<KafkaMessage>) => {
          const { batch, heartbeat, resolveOffset } = payload
          const messages = slice.map((message) => received(batch.topic, batch.partition, message))
          const last = messages.at(-1)
          if (last === undefined || !isNonEmptyReadonlyArray(messages)) return
          // A rebalance shows as a failed heartbeat; the batch in hand is finished all the same.
          const pulse = setInterval(() => void heartbeat().catch(() => undefined), heartbeatInterval)
          try {
            await new Promise<void>((resolve, reject) => {
              if (ending) return reject(new Ending())
              inHand.add(reject)
              queue.unsafeOffer(
                Effect.succeed<PartitionBatch>({
                  topic: batch.topic,
                  partition: batch.partition,
                  messages,
                  highWatermark: BigInt(batch.highWatermark),
                  acknowledge: Effect.sync(() => {
                    // A second time says nothing new, and may come when the partition is somebody else's.
                    if (!inHand.delete(reject)) return
                    offsets.set({ topic: batch.topic, partition: batch.partition, offset: last.offset + 1n })
                    resolve()
                  }),
                }),
              )
            })
          } finally {
            clearInterval(pulse)
          }
          resolveOffset(last.offset.toString())
        }

        const eachBatch = async (payload: EachBatchPayload) => {
          const { messages } = payload.batch
          for (let start = 0; start < messages.length; start += maxBatchMessages) {
            if (start > 0 && (!payload.isRunning() || payload.isStale())) return
            await handOver(payload, messages.slice(start, start + maxBatchMessages))
          }
        }

        yield* Effect.addFinalizer(() =>
          Effect.promise(async () => {
            ending = true
            await offsets.store().catch(() => undefined)
            for (const reject of inHand) reject(new Ending())
            await consumer.disconnect().catch(() => undefined)
          }).pipe(Effect.interruptible, Effect.timeoutOption("4 seconds")),
        )
        yield* Effect.tryPromise({
          try: async () => {
            await consumer.connect()
            await consumer.subscribe({ topics: [...topics], fromBeginning: true })
            await consumer.run({
              autoCommit: false,
              eachBatchAutoResolve: false,
              partitionsConsumedConcurrently: batchesAtOnce,
              eachBatch,
            })
          },
          catch: lossOf,
        })
        yield* storeBehind(offsets)
        return batches(queue)
      }),
    ),
  )

const received = (topic: string, partition: number, message: KafkaMessage): ReceivedMessage => ({
  topic,
  partition,
  offset: BigInt(message.offset),
  timestamp: Number(message.timestamp),
  key: message.key,
  value: message.value,
  headers: Object.fromEntries(
    Object.entries(message.headers ?? {}).flatMap(([name, value]) => {
      const first = Array.isArray(value) ? value[0] : value
      return first === undefined || first === null ? [] : [[name, first.toString()]]
    }),
  ),
})
