import { setTimeout as delay } from "node:timers/promises"
import { ConnectionPool, type Consumer, type GenericError } from "@platformatic/kafka"
import { maximumWait, sessionTimeout } from "./Group.js"
import type { PlatformaticPartition } from "./PlatformaticPartition.js"

/** A fetch waits for less while some partition is left out of it, for this one may want to be fetched again any moment; in ms. */
const shortWait = 20

const earliest = -2n
const latest = -1n

const keyOf = (topic: string, partition: number) => `${partition}/${topic}`

/** The most that one answer carries, of all partitions and of each, in bytes. */
const maximumBytes = 10 * 1024 * 1024
const maximumPartitionBytes = 1024 * 1024

type FetchResponse = Awaited<ReturnType<Consumer["fetch"]>>

/** What a fetcher works for. */
export interface Fetching {
  readonly consumer: Consumer<Buffer, Buffer, Buffer, Buffer>
  /** Tells that the partition has something new. */
  readonly arrived: (partition: PlatformaticPartition) => void
  readonly lost: (cause: unknown) => void
}

/** Keeps one fetch under way at each broker that leads a partition of ours, over connections that nothing else waits behind. */
export class PlatformaticFetcher {
  private readonly fetching: Fetching
  private partitions = new Map<string, PlatformaticPartition>()
  private readonly pool: ConnectionPool
  /** Brokers that are being asked. */
  private readonly asked = new Set<number>()
  private finding = false
  /** Something changed while leaders were being looked for. */
  private again = false
  private ended = false
  private failingSince: number | undefined

  constructor(fetching: Fetching, clientId: string) {
    this.fetching = fetching
    this.pool = new ConnectionPool(clientId, { connectTimeout: 3_000, requestTimeout: 10_000 })
  }

  /** The partitions that are ours from now on. */
  assign(partitions: ReadonlyArray<PlatformaticPartition>): void {
    this.partitions = new Map(partitions.map((one) => [keyOf(one.topic, one.partition), one]))
    this.wake()
  }

  get(topic: string, partition: number): PlatformaticPartition | undefined {
    return this.partitions.get(keyOf(topic, partition))
  }

  get all(): ReadonlyArray<PlatformaticPartition> {
    return [...this.partitions.values()]
  }

  async close(): Promise<void> {
    this.ended = true
    await this.pool.close()
  }

  /** Fetches what may be fetched and is not being fetched. */
  wake(): void {
    this.again = true
    if (this.ended || this.finding) return
    this.finding = true
    void this.askAll()
  }

  private async askAll(): Promise<void> {
    while (this.again && !this.ended) {
      this.again = false
      await this.ask().catch((error: unknown) => this.failed(error))
    }
    this.finding = false
  }

  private async ask(): Promise<void> {
    const topics = [...new Set(this.all.map((one) => one.topic))]
    if (topics.length === 0) return
    const metadata = await this.fetching.consumer.metadata({ topics })
    const leaders = new Map<number, { open: Array<PlatformaticPartition>; wait: number }>()
    let leaderless = false
    for (const one of this.partitions.values()) {
      const leader = metadata.topics.get(one.topic)?.partitions[one.partition]?.leader ?? -1
      leaderless ||= !metadata.brokers.has(leader)
      if (!metadata.brokers.has(leader) || this.asked.has(leader)) continue
      const request = leaders.get(leader) ?? { open: [], wait: maximumWait }
      if (one.isFull) request.wait = shortWait
      else request.open.push(one)
      leaders.set(leader, request)
    }
    const topicIds = new Map(topics.map((topic) => [metadata.topics.get(topic)?.id ?? "", topic]))
    for (const [node, { open, wait }] of leaders) {
      if (open.length > 0 && !this.ended) void this.fetch(node, open, wait, topicIds)
    }
    if (leaderless) throw new Error("a partition has no leader")
  }

  private async fetch(
    node: number,
    open: ReadonlyArray<PlatformaticPartition>,
    maxWaitTime: number,
    topicIds: ReadonlyMap<string, string>,
  ): Promise<void> {
    this.asked.add(node)
    const from = new Map(open.map((one) => [one, one.position]))
    const names = new Map([...topicIds].map(([id, topic]) => [topic, id]))
    try {
      const response = await this.fetching.consumer.fetch({
        node,
        maxWaitTime,
        minBytes: 1,
        maxBytes: maximumBytes,
        connectionPool: this.pool,
        topics: open.map((one) => ({
          topicId: names.get(one.topic) ?? "",
          partitions: [
            {
              partition: one.partition,
              fetchOffset: one.position,
              currentLeaderEpoch: -1,
              lastFetchedEpoch: -1,
              partitionMaxBytes: maximumPartitionBytes,
            },
          ],
        })),
      })
      this.failingSince = undefined
      this.takeUp(response, topicIds, from)
      this.asked.delete(node)
      this.wake()
    } catch (error) {
      this.asked.delete(node)
      if ((error as Partial<GenericError>).findBy?.("apiId", "OFFSET_OUT_OF_RANGE") != null) {
        await this.reset(open).then(
          () => this.wake(),
          (fault: unknown) => this.failed(fault),
        )
      } else await this.failed(error)
    }
  }

  private takeUp(
    response: FetchResponse,
    topicIds: ReadonlyMap<string, string>,
    from: ReadonlyMap<PlatformaticPartition, bigint>,
  ): void {
    for (const { topicId, partitions } of response.responses) {
      for (const { partitionIndex, highWatermark, records } of partitions) {
        const one = this.get(topicIds.get(topicId) ?? "", partitionIndex)
        // It may have been given up, or given up and got again, meanwhile.
        if (one === undefined || from.get(one) !== one.position || records === undefined) continue
        one.add(highWatermark, records)
        this.fetching.arrived(one)
      }
    }
  }

  /** What lies outside of what is kept goes on from the beginning: it was deleted before anybody read it, or the log was cut. */
  private async reset(partitions: ReadonlyArray<PlatformaticPartition>): Promise<void> {
    const topics = [...new Set(partitions.map((one) => one.topic))]
    const [first, next] = await Promise.all(
      [earliest, latest].map((timestamp) => this.fetching.consumer.listOffsets({ topics, timestamp })),
    )
    for (const one of partitions) {
      const from = first?.get(one.topic)?.[one.partition] ?? 0n
      const to = next?.get(one.topic)?.[one.partition] ?? 0n
      if (one.position < from || one.position > to) one.position = from
    }
  }

  /** A leader that moves takes a few tries; a membership whose fetches fail for longer begins anew. */
  private async failed(error: unknown): Promise<void> {
    if (this.ended) return
    this.failingSince ??= Date.now()
    if (Date.now() - this.failingSince > sessionTimeout) return this.fetching.lost(error)
    this.fetching.consumer.clearMetadata()
    await delay(200)
    this.wake()
  }
}
