import { Context, Data, type Effect, type Stream } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { OutgoingMessage, ReceivedMessage } from "./Message.js"

/** The broker did not do what was asked, and may the next time: it is gone, slow, electing, rebalancing. Always worth a retry. */
export class BrokerUnavailable extends Data.TaggedError("BrokerUnavailable")<{
  readonly operation: "publish" | "subscribe" | "ensureTopics" | "ping"
  readonly cause: unknown
}> {
  override get message(): string {
    const cause = this.cause
    return `the broker failed to ${this.operation}: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

/** The broker refuses these messages as too large together. Publish fewer at once; a single message that is too large stays so. */
export class BatchTooLarge extends Data.TaggedError("BatchTooLarge")<{ readonly messages: number }> {
  override get message(): string {
    return `the broker refuses ${this.messages} message(s) as too large together`
  }
}

/** A topic as a service wants it. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  /** How long messages are kept, in ms; 30 days when absent. */
  readonly retentionMs?: number
}

/**
 * Consecutive messages of one partition, as they stand in the broker.
 *
 * A driver has at most one batch of a partition outstanding: the next is emitted only after `acknowledge` has run. So a
 * consumer may work on several batches at once and keeps the order of every partition without further care.
 */
export interface PartitionBatch {
  readonly topic: string
  readonly partition: number
  readonly messages: NonEmptyReadonlyArray<ReceivedMessage>
  /** The offset that the partition's next new message will get, when this batch was fetched; lag is the distance to it. */
  readonly highWatermark: bigint
  /**
   * Says that the effect of every message is committed. Returns at once: the driver lets the partition go on, and stores the
   * group's offset behind, apart from fetching: at most a second later, and before the partition is given up or the
   * subscription ends. A crash in between delivers the batch again.
   */
  readonly acknowledge: Effect.Effect<void>
}

/** What a consumer asks of a broker. */
export interface SubscribeOptions {
  /** The consumer group: each partition goes to one member of it at a time. A new group reads from the beginning. */
  readonly group: string
  readonly topics: NonEmptyReadonlyArray<string>
  /** The most messages of one batch; 500 when absent. */
  readonly maxBatchMessages?: number
}

/** What every driver gives; `Broker` is its tag. */
export interface BrokerService {
  /** Makes the topics that are missing. A topic that exists is left as it is. */
  readonly ensureTopics: (topics: ReadonlyArray<TopicSpec>) => Effect.Effect<void, BrokerUnavailable>
  /**
   * Publishes in order and succeeds when the broker has stored every message durably (acks = all). After a failure any part
   * of them may have been stored: publish all again, from the first. One call at a time keeps the order per key; a second
   * call waits for the first.
   */
  readonly publish: (messages: ReadonlyArray<OutgoingMessage>) => Effect.Effect<void, BrokerUnavailable | BatchTooLarge>
  /**
   * Joins the group for as long as the stream runs. While a batch is being worked on, heartbeats go on, for however long.
   * What waits from several partitions is emitted as one chunk. The stream fails when the driver cannot go on by itself; run it
   * again to join anew. Ending it gives the partitions up after storing the offsets of what was acknowledged.
   */
  readonly subscribe: (options: SubscribeOptions) => Stream.Stream<PartitionBatch, BrokerUnavailable>
  /** Succeeds when the broker answers; for readiness. Gives up after 2 s. */
  readonly ping: Effect.Effect<void, BrokerUnavailable>
}

/**
 * The port to a broker. A driver is a layer that gives this service: `@tandem/messaging-kafka`, `@tandem/messaging-postgres`,
 * or `MemoryBroker` for unit tests. What each method promises is checked by one conformance suite over all of them.
 */
export class Broker extends Context.Tag("@tandem/messaging/Broker")<Broker, BrokerService>() {}
