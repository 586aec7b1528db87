import type { GenericError, GroupAssignment } from "@platformatic/kafka"
import type { BrokerUnavailable, PartitionBatch, SubscribeOptions } from "@tandem/messaging/Broker"
import { Effect, Stream } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import {
  type BatchQueue,
  batches,
  ForeignMembers,
  heartbeatInterval,
  makeQueue,
  storeBehind,
  subscriptionLost,
  tellOfForeignMembers,
} from "./internal/Group.js"
import { Offsets } from "./internal/Offsets.js"
import { PlatformaticFetcher } from "./internal/PlatformaticFetcher.js"
import { PlatformaticMember } from "./internal/PlatformaticMember.js"
import { PlatformaticPartition } from "./internal/PlatformaticPartition.js"
import type { KafkaBrokerOptions } from "./KafkaBrokerOptions.js"

const earliest = -2n

const isForeign = (cause: unknown): boolean =>
  cause instanceof Error && (cause as GenericError).findBy?.("apiId", "INCONSISTENT_GROUP_PROTOCOL") != null

/** One member of a consumer group, for as long as the stream runs. */
export const subscribe = (
  options: KafkaBrokerOptions,
  subscription: SubscribeOptions,
): Stream.Stream<PartitionBatch, BrokerUnavailable> =>
  tellOfForeignMembers(
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const queue = yield* makeQueue
        const membership = new Membership(options, subscription, queue)
        yield* Effect.addFinalizer(() =>
          Effect.promise(() => membership.leave()).pipe(Effect.interruptible, Effect.timeoutOption("4 seconds")),
        )
        yield* Effect.tryPromise({ try: () => membership.join(), catch: (cause) => membership.lossOf(cause) })
        yield* storeBehind(membership.offsets)
        return batches(queue)
      }),
    ),
  )

/** What one member holds: its partitions, what is in hand, and what is to be stored. */
class Membership {
  readonly offsets: Offsets
  private readonly member: PlatformaticMember
  private readonly fetcher: PlatformaticFetcher
  private readonly subscription: SubscribeOptions
  private readonly queue: BatchQueue
  private readonly most: number
  /** Batches that are with the consumer. */
  private inHand = 0
  /** The group is being divided anew: nothing new is handed over. */
  private rebalancing = false
  private ended = false
  private onEmptyHands: () => void = () => undefined

  constructor(options: KafkaBrokerOptions, subscription: SubscribeOptions, queue: BatchQueue) {
    this.subscription = subscription
    this.queue = queue
    this.most = subscription.maxBatchMessages ?? 500
    const lost = (cause: unknown) => this.lost(cause)
    this.member = new PlatformaticMember(options, subscription.group, { lost, mayRejoin: () => this.mayRejoin() })
    this.member.on("consumer:group:join", ({ assignments }) => {
      this.assigned(assignments ?? []).catch(lost)
    })
    this.fetcher = new PlatformaticFetcher(
      { consumer: this.member, arrived: (partition) => this.handOver(partition), lost },
      options.clientId,
    )
    this.offsets = new Offsets((offsets) =>
      this.member.commit({ offsets: offsets.map((next) => ({ ...next, leaderEpoch: -1 })) }),
    )
  }

  async join(): Promise<void> {
    for (const topic of this.subscription.topics) this.member.topics.track(topic)
    await this.member.joinGroup()
  }

  /** Stores what is acknowledged and leaves the group, so that others go on at once. */
  async leave(): Promise<void> {
    this.ended = true
    await this.offsets.store().catch(() => undefined)
    await Promise.all([
      this.fetcher.close().catch(() => undefined),
      new Promise<void>((resolve) => {
        this.member.close(true, (error) => {
          // Where no leave reaches the group, the session's end says the same.
          if (error) this.member.connections.close(() => resolve())
          else resolve()
        })
      }),
    ])
  }

  lossOf(cause: unknown): BrokerUnavailable {
    return subscriptionLost(isForeign(cause) ? new ForeignMembers(this.subscription.group, { cause }) : cause)
  }

  private lost(cause: unknown): void {
    if (!this.ended) this.queue.unsafeOffer(Effect.fail(this.lossOf(cause)))
  }

  private async mayRejoin(): Promise<boolean> {
    this.rebalancing = true
    if (this.inHand > 0) {
      await new Promise<void>((resolve) => {
        const patience = setTimeout(resolve, heartbeatInterval)
        this.onEmptyHands = () => {
          clearTimeout(patience)
          resolve()
        }
      })
    }
    if (this.inHand > 0) return false
    await this.offsets.store().catch(() => undefined)
    return true
  }

  /** A partition that stays ours goes on where it is; one that is new begins where the group is, or at its beginning. */
  private async assigned(assignments: ReadonlyArray<GroupAssignment>): Promise<void> {
    const generation = this.member.generationId
    const ours = assignments.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
    const fresh = assignments
      .map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.filter((partition) => this.fetcher.get(topic, partition) === undefined),
      }))
      .filter(({ partitions }) => partitions.length > 0)
    // At once: what is given up and got again later begins where the group then is.
    const isOurs = (topic: string, partition: number) =>
      ours.some((one) => one.topic === topic && one.partition === partition)
    this.fetcher.assign(this.fetcher.all.filter((one) => isOurs(one.topic, one.partition)))
    this.offsets.keep(isOurs)
    const starts = await this.startsOf(fresh)
    if (this.ended || generation !== this.member.generationId) return
    const partitions = ours.map(
      ({ topic, partition }) =>
        this.fetcher.get(topic, partition) ??
        new PlatformaticPartition(topic, partition, starts.get(topic)?.get(partition) ?? 0n),
    )
    this.rebalancing = false
    this.fetcher.assign(partitions)
    for (const partition of partitions) this.handOver(partition)
  }

  private async startsOf(
    fresh: ReadonlyArray<GroupAssignment>,
  ): Promise<ReadonlyMap<string, ReadonlyMap<number, bigint>>> {
    if (fresh.length === 0) return new Map()
    const topics = fresh.map(({ topic }) => topic)
    const [committed, first] = await Promise.all([
      this.member.listCommittedOffsets({ topics: [...fresh] }),
      this.member.listOffsets({ topics, timestamp: earliest }),
    ])
    return new Map(
      fresh.map(({ topic, partitions }) => [
        topic,
        new Map(
          partitions.map((partition) => {
            const stored = committed.get(topic)?.[partition] ?? -1n
            return [partition, stored >= 0n ? stored : (first.get(topic)?.[partition] ?? 0n)]
          }),
        ),
      ]),
    )
  }

  /** Hands over what waits of a partition, unless a batch of it is in hand. */
  private handOver(one: PlatformaticPartition): void {
    if (one.inHand || this.rebalancing || this.ended) return
    const messages = one.take(this.most)
    const last = messages.at(-1)
    if (last === undefined || !isNonEmptyReadonlyArray(messages)) return
    one.inHand = true
    this.inHand++
    const { topic, partition, highWatermark } = one
    let acknowledged = false
    this.queue.unsafeOffer(
      Effect.succeed<PartitionBatch>({
        topic,
        partition,
        messages,
        highWatermark,
        acknowledge: Effect.sync(() => {
          // A second time says nothing new: what is in hand by then is another batch.
          if (acknowledged || !one.inHand) return
          acknowledged = true
          one.inHand = false
          this.inHand--
          this.offsets.set({ topic, partition, offset: last.offset + 1n })
          const wasFull = one.isFull
          this.handOver(one)
          if (wasFull && !one.isFull) this.fetcher.wake()
          if (this.inHand === 0) this.onEmptyHands()
        }),
      }),
    )
  }
}
