import { BrokerUnavailable, type PartitionBatch, type SubscribeOptions } from "@tandem/messaging/Broker"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import { Chunk, Effect, Queue, Stream } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from "kafkajs"

/** A member that is silent for so long is dead to the group, in ms. */
const sessionTimeout = 10_000

/** How often a member shows that it lives, also while a batch is being worked on, in ms. */
const heartbeatInterval = 1_000

/** How long a batch in hand may hold up a rebalance, in ms. */
const rebalanceTimeout = 60_000

/** How often offsets are stored. */
const storeInterval = "1 second"

/** So many partitions of one fetch are handed over at once. */
const partitionsAtOnce = 32

class Ending extends Error {}

/** What is acknowledged and not yet stored, by topic and partition. */
class Offsets {
  private readonly waiting = new Map<string, { topic: string; partition: number; offset: string }>()

  set(topic: string, partition: number, next: bigint): void {
    this.waiting.set(`${partition}/${topic}`, { topic, partition, offset: next.toString() })
  }

  /** Partitions that are not ours any more are somebody else's to store. */
  keep(assigned: Readonly<Record<string, ReadonlyArray<number>>>): void {
    for (const [key, { topic, partition }] of this.waiting) {
      if (!assigned[topic]?.includes(partition)) this.waiting.delete(key)
    }
  }

  /** Stores apart from fetching: between two fetches it would cost each message 10 ms. What cannot be stored is tried again later. */
  async store(consumer: Consumer): Promise<void> {
    const offsets = [...this.waiting.entries()]
    if (offsets.length === 0) return
    await consumer.commitOffsets(offsets.map(([, offset]) => offset))
    for (const [key, offset] of offsets) if (this.waiting.get(key) === offset) this.waiting.delete(key)
  }
}

/** One member of a consumer group, for as long as the stream runs. */
export const subscribe = (
  kafka: Kafka,
  { group, topics, maxBatchMessages = 500 }: SubscribeOptions,
): Stream.Stream<PartitionBatch, BrokerUnavailable> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      // Bounded by the partitions: each has one batch out at most.
      const queue = yield* Queue.unbounded<Effect.Effect<PartitionBatch, BrokerUnavailable>>()
      const offsets = new Offsets()
      const inHand = new Set<(reason: Ending) => void>()
      let ending = false
      const fail = (cause: unknown) =>
        queue.unsafeOffer(Effect.fail(new BrokerUnavailable({ operation: "subscribe", cause })))

      const consumer = kafka.consumer({
        groupId: group,
        sessionTimeout,
        rebalanceTimeout,
        heartbeatInterval,
        allowAutoTopicCreation: false,
        minBytes: 1,
        maxWaitTimeInMs: 500,
        // A crash ends the stream, and whoever runs it joins anew; the driver's own restart would leave him in the dark.
        retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4, restartOnFailure: async () => false },
      })
      consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
      consumer.on(consumer.events.REBALANCING, () => {
        void offsets.store(consumer).catch(() => undefined)
      })
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => offsets.keep(payload.memberAssignment))

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
                  inHand.delete(reject)
                  offsets.set(batch.topic, batch.partition, last.offset + 1n)
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
          await offsets.store(consumer).catch(() => undefined)
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
            partitionsConsumedConcurrently: partitionsAtOnce,
            eachBatch,
          })
        },
        catch: (cause) => new BrokerUnavailable({ operation: "subscribe", cause }),
      })
      yield* Effect.tryPromise(() => offsets.store(consumer)).pipe(
        Effect.catchAll((fault) => Effect.logDebug("offsets were not stored, trying again", fault)),
        Effect.zipRight(Effect.sleep(storeInterval)),
        Effect.forever,
        Effect.forkScoped,
      )
      // All that waits is one chunk: what several partitions brought is worked on together.
      return Stream.repeatEffectChunk(
        Queue.takeBetween(queue, 1, partitionsAtOnce).pipe(
          Effect.flatMap((waiting) => Effect.all(waiting)),
          Effect.map(Chunk.unsafeFromArray),
        ),
      )
    }),
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
      return first === undefined ? [] : [[name, first.toString()]]
    }),
  ),
})
