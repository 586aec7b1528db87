import { Chunk, Clock, type Context, Effect, Layer, Queue, Ref, Stream } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import { BatchTooLarge, Broker, BrokerUnavailable, type PartitionBatch, type SubscribeOptions } from "./Broker.js"
import * as MemoryFaults from "./MemoryFaults.js"
import { maximumMessageBytes, type OutgoingMessage, type ReceivedMessage } from "./Message.js"
import { partitionOf } from "./Partitioner.js"

interface Partition {
  readonly topic: string
  readonly partition: number
  readonly messages: Array<ReceivedMessage>
}

interface Progress {
  position: number
  acknowledged: number
  outstanding: boolean
}

interface Member {
  readonly topics: ReadonlyArray<string>
  readonly wake: Queue.Queue<void>
}

interface Group {
  readonly members: Array<Member>
  readonly progress: Map<Partition, Progress>
  readonly owners: Map<Partition, Member>
}

/** Everything that is published, in this process; nothing is kept beyond it. */
class Log {
  readonly topics = new Map<string, ReadonlyArray<Partition>>()
  readonly groups = new Map<string, Group>()
  private turn = 0

  append({ topic, key, value, headers }: OutgoingMessage, timestamp: number): void {
    const partitions = this.topics.get(topic) ?? []
    const bytes = key === null ? null : encoder.encode(key)
    const chosen = partitions[key === null ? this.turn++ % partitions.length : partitionOf(key, partitions.length)]
    if (chosen === undefined) return
    const { partition, messages } = chosen
    messages.push({ topic, partition, offset: BigInt(messages.length), timestamp, key: bytes, value, headers })
  }

  group(name: string): Group {
    const group = this.groups.get(name) ?? { members: [], progress: new Map(), owners: new Map() }
    this.groups.set(name, group)
    return group
  }

  /** Members take turns over the partitions; one with a batch at the consumer changes hands when that is acknowledged. */
  assign(group: Group): void {
    const partitions = [...this.topics.values()].flat()
    partitions.forEach((partition, index) => {
      const willing = group.members.filter((member) => member.topics.includes(partition.topic))
      const next = willing[index % willing.length]
      const progress = progressOf(group, partition)
      if (next === group.owners.get(partition) || progress.outstanding) return
      if (next === undefined) group.owners.delete(partition)
      else group.owners.set(partition, next)
      progress.position = progress.acknowledged
    })
    this.wakeAll()
  }

  wakeAll(): void {
    for (const group of this.groups.values()) for (const member of group.members) member.wake.unsafeOffer(undefined)
  }
}

const progressOf = (group: Group, partition: Partition): Progress => {
  const progress = group.progress.get(partition) ?? { position: 0, acknowledged: 0, outstanding: false }
  group.progress.set(partition, progress)
  return progress
}

/** What a broker in memory does to what passes through it. */
export interface MemoryBrokerOptions {
  /** The same seed, with the same calls in the same order, gives the same faults. */
  readonly seed: number | string
  readonly faults: MemoryFaults.MemoryFaults
}

/**
 * Hands out clients of one broker in this process; each call of the inner effect is a client like another process would have. Faultless
 * without options.
 */
export const cluster = (options?: MemoryBrokerOptions): Effect.Effect<Effect.Effect<Context.Tag.Service<Broker>>> =>
  Effect.sync(() => {
    const log = new Log()
    const faults = options === undefined ? MemoryFaults.none : MemoryFaults.draw(options.seed, options.faults)
    return Effect.sync(() => client(log, faults))
  })

/** A broker in memory, for unit tests: the semantics of the port, no durability. */
export const layer: Layer.Layer<Broker> = Layer.effect(Broker, Effect.flatten(cluster()))

/** The same with faults that a seed decides, for tests that must survive them. */
export const layerFaulty = (options: MemoryBrokerOptions): Layer.Layer<Broker> =>
  Layer.effect(Broker, Effect.flatten(cluster(options)))

const client = (log: Log, faults: MemoryFaults.DrawnFaults): Context.Tag.Service<Broker> => ({
  ping: Effect.void,
  ensureTopics: (topics) =>
    Effect.sync(() => {
      for (const { name, partitions } of topics) {
        if (log.topics.has(name)) continue
        const made = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition, messages: [] }))
        log.topics.set(name, made)
      }
      for (const group of log.groups.values()) log.assign(group)
    }),
  publish: (messages) =>
    Effect.gen(function* () {
      if (messages.some((message) => sizeOf(message) > maximumMessageBytes)) {
        return yield* new BatchTooLarge({ messages: messages.length })
      }
      const now = yield* Clock.currentTimeMillis
      const unknown = messages.find(({ topic }) => !log.topics.has(topic))
      if (unknown !== undefined) return yield* unavailable(`there is no topic ${unknown.topic}`)
      for (const message of yield* faults.stored(messages)) log.append(message, now)
      log.wakeAll()
      if (yield* faults.loses) return yield* unavailable("the acknowledgement was lost")
    }),
  subscribe: (options) => subscribe(log, faults, options),
})

const encoder = new TextEncoder()

/** Not encoded where it cannot matter: UTF-8 has three bytes for a unit of text at most. */
const sizeOf = ({ key, value, headers }: OutgoingMessage): number => {
  const text = [key ?? "", ...Object.entries(headers).flat()].join("")
  const bytes = value?.byteLength ?? 0
  return bytes + 3 * text.length > maximumMessageBytes ? bytes + encoder.encode(text).length : bytes + text.length
}

const unavailable = (reason: string) => new BrokerUnavailable({ operation: "publish", cause: new Error(reason) })

const subscribe = (
  log: Log,
  faults: MemoryFaults.DrawnFaults,
  { group: name, topics, maxBatchMessages = 500 }: SubscribeOptions,
): Stream.Stream<PartitionBatch, BrokerUnavailable> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const group = log.group(name)
      const member: Member = { topics, wake: yield* Queue.sliding<void>(1) }
      const left = yield* Ref.make(false)
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          group.members.push(member)
          log.assign(group)
        }),
        () =>
          Effect.zipRight(
            Ref.set(left, true),
            Effect.sync(() => {
              group.members.splice(group.members.indexOf(member), 1)
              for (const [partition, owner] of group.owners) {
                if (owner === member) progressOf(group, partition).outstanding = false
              }
              log.assign(group)
            }),
          ),
      )

      const next = (partition: Partition): ReadonlyArray<PartitionBatch> => {
        const progress = progressOf(group, partition)
        if (group.owners.get(partition) !== member || progress.outstanding) return []
        const messages = partition.messages.slice(progress.position, progress.position + maxBatchMessages)
        if (!isNonEmptyReadonlyArray(messages)) return []
        const end = progress.position + messages.length
        progress.outstanding = true
        progress.position = end
        let settled = false
        const acknowledge = Effect.gen(function* () {
          // Who has left speaks for nobody any more, and a second time says nothing new.
          if (settled || (yield* Ref.get(left))) return
          settled = true
          if (yield* faults.loses) progress.position = progress.acknowledged
          else progress.acknowledged = end
          progress.outstanding = false
          member.wake.unsafeOffer(undefined)
          log.assign(group)
        })
        const highWatermark = BigInt(partition.messages.length)
        return [{ topic: partition.topic, partition: partition.partition, messages, highWatermark, acknowledge }]
      }

      const pull = Effect.gen(function* () {
        for (;;) {
          const batches = [...log.topics.values()].flat().flatMap(next)
          if (batches.length > 0) {
            yield* faults.delay
            return Chunk.unsafeFromArray(batches)
          }
          yield* Queue.take(member.wake)
        }
      })
      return Stream.repeatEffectChunk(pull)
    }),
  )
