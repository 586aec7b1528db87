import { BrokerUnavailable, type PartitionBatch, type SubscribeOptions } from "@tandem/messaging/Broker"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import { Chunk, Duration, Effect, Stream } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import { type BrokerDatabase, reason } from "./BrokerDatabase.js"
import type { HeldLease } from "./GroupTable.js"
import type { Leases } from "./Leases.js"
import * as Membership from "./Membership.js"
import * as RecordTable from "./RecordTable.js"
import * as RetrySchedules from "./RetrySchedules.js"

const defaultBatchMessages = 500

/** No further message of a partition goes into a batch once it has so many bytes: what one read holds in memory is bounded. */
const batchBytes = 1_000_000

/** After reads that found nothing: 5, 10, then 20 ms. Latency is half of it on average, and an idle read costs the database little. */
const pause = (emptyReads: number) => Duration.millis(Math.min(20, 5 * 2 ** Math.min(emptyReads, 2)))

/**
 * The broker's `subscribe`. Reads on demand: nothing is fetched while nobody pulls. Outlives outages of the database by itself
 * (`RetrySchedules.outage`), logging when one begins.
 */
export const make = (
  database: BrokerDatabase,
  options: SubscribeOptions,
): Stream.Stream<PartitionBatch, BrokerUnavailable> =>
  Stream.unwrapScoped(
    Effect.map(Membership.join(database, options), (membership) =>
      Stream.repeatEffectChunk(pull(database, membership, options.maxBatchMessages ?? defaultBatchMessages)),
    ),
  )

const pull = (database: BrokerDatabase, { check, identity, leases }: Membership.Membership, messages: number) => {
  const read = (held: ReadonlyArray<HeldLease>) =>
    database.run(RecordTable.read(database.sql, identity, held, { messages, bytes: batchBytes })).pipe(
      Effect.tapError((fault) => Effect.logDebug(`${identity.group} cannot read for now`, reason(fault))),
      Effect.retry(RetrySchedules.outage),
      // The schedule has no end; this only says so to the types.
      Effect.mapError((fault) => new BrokerUnavailable({ operation: "subscribe", cause: reason(fault) })),
    )

  return Effect.gen(function* () {
    for (let emptyReads = 0; ; emptyReads++) {
      yield* check
      leases.readable.unsafeClose()
      const idle = leases.idle()
      if (idle.length === 0) {
        yield* leases.readable.await
        continue
      }
      const batches = begin(leases, idle, yield* read(idle))
      if (batches.length > 0) return Chunk.unsafeFromArray(batches)
      yield* Effect.timeoutOption(leases.readable.await, pause(emptyReads))
    }
  }).pipe(Effect.withTracerEnabled(false))
}

/** Puts what was read in hand, a batch for each partition that is still to be read by this member. */
const begin = (
  leases: Leases,
  read: ReadonlyArray<HeldLease>,
  rows: ReadonlyArray<RecordTable.RecordRow>,
): Array<PartitionBatch> => {
  const rowsOf = new Map<number, Array<RecordTable.RecordRow>>()
  for (const row of rows) {
    const own = rowsOf.get(row.place)
    if (own === undefined) rowsOf.set(row.place, [row])
    else own.push(row)
  }
  return [...rowsOf].flatMap(([place, own]) => {
    const lease = read[place - 1]
    const last = own.at(-1)
    if (lease === undefined || last === undefined) return []
    const messages = own.map((row) => received(lease, row))
    if (!isNonEmptyReadonlyArray(messages)) return []
    const acknowledge = leases.begin(lease, BigInt(last.record_offset) + 1n)
    if (acknowledge === undefined) return []
    const { topic, partition } = lease
    return [{ topic, partition, messages, highWatermark: BigInt(last.next_offset), acknowledge }]
  })
}

const received = ({ topic, partition }: HeldLease, row: RecordTable.RecordRow): ReceivedMessage => ({
  topic,
  partition,
  offset: BigInt(row.record_offset),
  timestamp: row.published,
  key: row.key,
  value: row.value,
  headers: row.headers,
})
