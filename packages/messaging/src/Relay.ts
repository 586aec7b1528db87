import type { SqlClient, SqlError } from "@effect/sql"
import { Data, Duration, Effect, Layer, Metric, Ref } from "effect"
import { type BatchTooLarge, Broker, type BrokerUnavailable } from "./Broker.js"
import { nextId } from "./Ids.js"
import * as Lease from "./internal/Lease.js"
import * as OutboxTable from "./internal/OutboxTable.js"
import * as Rest from "./internal/Rest.js"
import * as Tracing from "./internal/Tracing.js"
import * as Metrics from "./Metrics.js"
import { Outbox } from "./Outbox.js"
import * as RetrySchedules from "./RetrySchedules.js"
import { guardDefects } from "./Transaction.js"

/** How a relay works. */
export interface RelayOptions {
  /** The most rows of one read; 1,000 when absent. */
  readonly batchSize?: number
  /** How long it sleeps when the outbox is empty and nobody in this process signals; 15 ms when absent. */
  readonly pollInterval?: Duration.DurationInput
  /**
   * How long it rests after a batch that was not full, as a multiple of the time that the batch took; 0 when absent. While a machine is idle a
   * message waits for nobody; the busier it is, the more messages share a batch, here and everywhere behind it. Never longer than 50 ms.
   */
  readonly rest?: number
}

class LeaseLost extends Data.TaggedError("LeaseLost") {}

/** A bug, ours or a driver's. The outbox goes on being published: whoever depends on it is not helped by a relay that has ended. */
class Unexpected extends Data.TaggedError("Unexpected")<{ readonly cause: unknown }> {
  override get message(): string {
    return `an unexpected fault, ${String(this.cause)}`
  }
}

type Fault = Unexpected | SqlError.SqlError | BrokerUnavailable | BatchTooLarge

/**
 * Publishes the outbox: reads the lowest live rows, publishes them with every replica's acknowledgement, deletes exactly those.
 * At least once; for one key in the order of the rows, first appearances counted, also while two relays run at once. A lease
 * lets one instance work at a time; it only spares double work. Faults are retried for ever (`RetrySchedules.relay`) and logged
 * when they begin and when they end.
 */
export const layer = (options: RelayOptions = {}): Layer.Layer<never, never, Outbox | Broker | SqlClient.SqlClient> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const owner = yield* nextId
      const lease = yield* Lease.make("relay", owner)
      const healthy = yield* Ref.make(true)
      const floor = yield* Ref.make(0n)
      const shift = Effect.gen(function* () {
        if (yield* lease.hold) {
          yield* Metric.set(Metrics.relayLeader, 1)
          return yield* Effect.raceFirst(keep(lease), drain(options, floor, healthy))
        }
        yield* Effect.sleep(Lease.leaseInterval)
      })
      yield* shift.pipe(
        Effect.ensuring(Metric.set(Metrics.relayLeader, 0)),
        Effect.catchTag("LeaseLost", () => Effect.logInfo("another relay took over the outbox")),
        Effect.catchAllDefect((cause) => new Unexpected({ cause })),
        Effect.tapError((fault) =>
          Effect.zipRight(Metric.increment(Metrics.publishFailures), reportOnce(healthy, fault)),
        ),
        Effect.retry(RetrySchedules.relay),
        Effect.forever,
        Tracing.whenCollected,
        Effect.forkScoped,
      )
      yield* gauge(floor).pipe(Effect.withTracerEnabled(false), Effect.forkScoped)
    }),
  )

/** Every 5 s, also while nothing can be published: then it matters most. */
const gauge = (floor: Ref.Ref<bigint>) =>
  Effect.flatMap(Ref.get(floor), (from) => guardDefects(OutboxTable.waiting(from, Metrics.outboxDepthLimit))).pipe(
    Effect.flatMap(({ depth, oldestAge }) =>
      Effect.zipRight(Metric.set(Metrics.outboxDepth, depth), Metric.set(Metrics.outboxOldestAge, oldestAge)),
    ),
    Effect.catchTag("SqlError", (fault) => Effect.logDebug(`the outbox cannot be measured: ${fault.message}`)),
    Effect.zipRight(Effect.sleep("5 seconds")),
    Effect.forever,
  )

/** Renews the lease until it is lost; a renewal that takes too long counts as lost. */
const keep = (lease: Lease.Lease) =>
  Effect.sleep(Lease.leaseInterval).pipe(
    Effect.zipRight(lease.hold),
    Effect.timeoutFail({ duration: Lease.leaseDuration, onTimeout: () => new LeaseLost() }),
    Effect.flatMap((held) => (held ? Effect.void : Effect.fail(new LeaseLost()))),
    Effect.forever,
  )

const drain = (options: RelayOptions, floor: Ref.Ref<bigint>, healthy: Ref.Ref<boolean>) =>
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const limit = options.batchSize ?? 1_000
    const deleting = yield* Ref.make(false)
    const idle = Effect.timeoutOption(outbox.signalled, options.pollInterval ?? Duration.millis(15))
    const pause = yield* Rest.make(options.rest ?? 0)
    // A database that was restored from a copy may give out ids anew: a floor is good for as long as its connections.
    yield* Ref.set(floor, 0n)
    // Acknowledged by the broker and not yet deleted, batch by batch.
    const published = yield* Ref.make<ReadonlyArray<ReadonlyArray<string>>>([])
    const read = (inFlight: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const done = yield* Ref.get(published)
        const rows = yield* guardDefects(OutboxTable.removeAndRead(done.flat(), yield* Ref.get(floor), inFlight, limit))
        yield* Ref.update(published, (batches) => batches.filter((batch) => !done.includes(batch)))
        if (done.length > 0) yield* Ref.set(deleting, true)
        return rows
      })
    const work = Effect.gen(function* () {
      let batch = yield* read([])
      while (true) {
        if (batch.length === 0) {
          if ((yield* Ref.get(published)).length === 0) yield* idle
          yield* pause.over
          batch = yield* read([])
          continue
        }
        const ids = batch.map((row) => row.id)
        // Uninterruptible, so that a send which is given up does not go on beside the next one.
        const publishing = Effect.uninterruptible(
          Effect.zipRight(
            publish(batch),
            Ref.update(published, (batches) => [...batches, ids]),
          ),
        )
        // While a full batch is being published the one before is deleted and the one after is read. A fault of either throws both away
        // and reads again: rows may be published twice, never out of order and never lost. After a batch that was not full there is
        // nothing to read until somebody signals, and one statement then deletes it and reads what came meanwhile.
        const [ahead] =
          batch.length === limit
            ? yield* Effect.all([read(ids), publishing], { concurrency: 2 })
            : [
                yield* publishing.pipe(
                  Effect.zipRight(pause.begin),
                  Effect.zipRight(idle),
                  Effect.zipRight(pause.over),
                  Effect.zipRight(read([])),
                ),
              ]
        yield* recovered(healthy)
        batch = ahead
      }
    })
    const removeRest = Effect.flatMap(Ref.get(published), (batches) => OutboxTable.remove(batches.flat())).pipe(
      guardDefects,
      Effect.interruptible,
      Effect.timeout("1 second"),
      // What is left is published once more by the next relay, which every consumer must bear.
      Effect.catchAll((fault) => Effect.logDebug("published rows were left in the outbox", fault)),
    )
    return yield* Effect.raceFirst(work, raiseFloor(floor, deleting)).pipe(Effect.ensuring(removeRest))
  })

const publish = (rows: ReadonlyArray<OutboxTable.OutboxRow>) =>
  send(rows).pipe(
    Metric.trackDurationWith(Metrics.publishDuration, Duration.toSeconds),
    Effect.zipRight(Metric.update(Metrics.publishBatchSize, rows.length)),
    Effect.zipRight(countByTopic(rows)),
    Effect.withSpan("send outbox", {
      kind: "producer",
      root: true,
      captureStackTrace: false,
      attributes: {
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.batch.message_count": rows.length,
      },
    }),
  )

const countByTopic = (rows: ReadonlyArray<OutboxTable.OutboxRow>) => {
  const counts = new Map<string, number>()
  for (const { topic } of rows) counts.set(topic, (counts.get(topic) ?? 0) + 1)
  return Effect.forEach(counts, ([topic, n]) => Metric.incrementBy(publishedTo(topic), n), { discard: true })
}

const publishedTo = (topic: string) => Metric.tagged(Metrics.published, "topic", topic)

const send = (
  rows: ReadonlyArray<OutboxTable.OutboxRow>,
): Effect.Effect<void, BrokerUnavailable | BatchTooLarge, Broker> =>
  Effect.flatMap(Broker, (broker) => broker.publish(rows)).pipe(
    Effect.catchTag("BatchTooLarge", (tooLarge) => {
      if (rows.length <= 1) return Effect.fail(tooLarge)
      const half = Math.ceil(rows.length / 2)
      return Effect.zipRight(send(rows.slice(0, half)), send(rows.slice(half)))
    }),
  )

/**
 * At once, then four times a second for as long as rows are deleted: what the floor spares is a walk over the dead rows, which come by
 * the ten thousand a second. Exactness is argued in `OutboxTable.advance`.
 */
const raiseFloor = (floor: Ref.Ref<bigint>, deleting: Ref.Ref<boolean>) =>
  Effect.gen(function* () {
    const mark = yield* OutboxTable.watermark
    const from = yield* Ref.get(floor)
    let next = yield* OutboxTable.advance(from, mark)
    while (next === "waiting") {
      yield* Effect.sleep(floorInterval)
      next = yield* OutboxTable.advance(from, mark)
    }
    yield* Ref.set(floor, next)
    do yield* Effect.sleep(floorInterval)
    while (!(yield* Ref.getAndSet(deleting, false)))
  }).pipe(guardDefects, Effect.forever)

const floorInterval = Duration.millis(250)

const reportOnce = (healthy: Ref.Ref<boolean>, fault: Fault) =>
  Effect.whenEffect(
    Effect.logWarning(`the outbox cannot be published for now, trying on: ${fault.message}`),
    Ref.getAndSet(healthy, false),
  )

const recovered = (healthy: Ref.Ref<boolean>) =>
  Effect.unlessEffect(Effect.logInfo("the outbox is being published again"), Ref.getAndSet(healthy, true))
