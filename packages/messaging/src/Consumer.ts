import type { SqlError } from "@effect/sql"
import { Cause, Chunk, Data, Effect, Either, Layer, Ref, Stream } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { Broker, type BrokerUnavailable, type PartitionBatch } from "./Broker.js"
import type * as DeadLetters from "./DeadLetters.js"
import type { Handling, Incoming } from "./Handling.js"
import { once, type Work } from "./internal/BatchEffect.js"
import * as ConsumerMetrics from "./internal/ConsumerMetrics.js"
import { isDataFault } from "./internal/DataFault.js"
import { replayMarked } from "./internal/Replay.js"
import * as Tracing from "./internal/Tracing.js"
import type { ReceivedMessage } from "./Message.js"
import * as RetrySchedules from "./RetrySchedules.js"

export type { Attempt, Handled, Handling, Incoming, Rejection } from "./Handling.js"
export { handled } from "./Handling.js"

/** What a consumer does, and on what. */
export interface ConsumerOptions<A, E, R> extends Handling<A, E, R> {
  readonly topics: NonEmptyReadonlyArray<string>
  /** The most messages of one partition in a batch; 500 when absent. */
  readonly maxBatchMessages?: number
  /**
   * How many partitions are worked on at once, each in a transaction of its own. When absent, one transaction takes what waits
   * from all of them, which is the most work a commit: choose more for handlers that wait for something else than their database.
   */
  readonly concurrency?: number
}

/** So many dead letters of single messages in a row are no accident: the consumer stops and its health check fails. */
const maximumDeadInARow = 100

/** The consumer gave up: message after message fails on its data. An operator must look at `dead_letters`. */
export class TooManyDeadLetters extends Data.TaggedError("TooManyDeadLetters")<{ readonly consumer: string }> {
  override get message(): string {
    return `${this.consumer}: ${maximumDeadInARow} messages in a row became dead letters; the consumer has stopped`
  }
}

/** A running consumer. */
export interface Consumer {
  /** Fails once the consumer has stopped for good; for readiness. */
  readonly check: Effect.Effect<void, TooManyDeadLetters>
}

/**
 * Runs a batch consumer for as long as the scope: inbox, handler and dead letters in one transaction, acknowledged to the
 * broker after the commit. Faults of broker and database are retried for ever and logged when they begin. Ending the scope
 * finishes the transaction in hand.
 */
export const make = <A, E, R>(options: ConsumerOptions<A, E, R>) =>
  Effect.gen(function* () {
    const stopped = yield* Ref.make<TooManyDeadLetters | undefined>(undefined)
    const broker = yield* Broker
    const run: Run<A, E, R> = {
      options,
      metrics: ConsumerMetrics.make(options.name),
      collected: yield* Tracing.isCollected,
      deadInARow: yield* Ref.make(0),
    }
    const failures = yield* Ref.make(0)
    const settling = (batches: ReadonlyArray<PartitionBatch>) =>
      Effect.zipRight(Ref.set(failures, 0), settle(run, batches))
    const batches = broker.subscribe({
      group: options.name,
      topics: options.topics,
      ...(options.maxBatchMessages === undefined ? {} : { maxBatchMessages: options.maxBatchMessages }),
    })
    // A partition has one batch outstanding, so that working on several at once keeps the order of each.
    const settled =
      options.concurrency === undefined
        ? Stream.runForEach(Stream.chunks(batches), (chunk) => settling(Chunk.toReadonlyArray(chunk)))
        : batches.pipe(
            Stream.mapEffect((batch) => settling([batch]), { concurrency: options.concurrency, unordered: true }),
            Stream.runDrain,
          )
    yield* settled.pipe(
      Effect.tapErrorTag("BrokerUnavailable", (fault) => logLoss(options.name, failures, fault)),
      Effect.retry({
        while: (fault) => fault._tag === "BrokerUnavailable",
        schedule: RetrySchedules.subscription,
      }),
      Effect.catchTag("TooManyDeadLetters", (fault) =>
        Effect.zipRight(Ref.set(stopped, fault), Effect.logError(fault.message)),
      ),
      Tracing.whenCollected,
      Effect.forkScoped,
    )
    yield* replayMarked(options).pipe(Effect.withTracerEnabled(false), Effect.forkScoped)
    const check = Effect.flatMap(Ref.get(stopped), (fault) => (fault === undefined ? Effect.void : Effect.fail(fault)))
    return { check } satisfies Consumer
  })

/** What one running consumer is made of. */
interface Run<A, E, R> {
  readonly options: ConsumerOptions<A, E, R>
  readonly metrics: ConsumerMetrics.ConsumerMetrics
  /** Whether somebody collects spans. */
  readonly collected: boolean
  /** How many messages in a row became dead letters by themselves. */
  readonly deadInARow: Ref.Ref<number>
}

/** A broker that starts, moves its coordinator or has a topic still made takes a few tries; what lasts is worth a line. */
const logLoss = (name: string, failures: Ref.Ref<number>, fault: BrokerUnavailable) =>
  Effect.flatMap(
    Ref.updateAndGet(failures, (count) => count + 1),
    (count) =>
      count === 8 || count % 100 === 0
        ? Effect.logWarning(`${name} cannot subscribe for now, trying on (attempt ${count}): ${fault.message}`)
        : Effect.logDebug(`${name} lost its subscription, joining again: ${fault.message}`),
  )

/** `make` as a layer, for a consumer that nobody asks after. */
export const layer = <A, E, R>(options: ConsumerOptions<A, E, R>) => Layer.scopedDiscard(make(options))

/** Batches of several partitions share a transaction. */
const settle = <A, E, R>(run: Run<A, E, R>, batches: ReadonlyArray<PartitionBatch>) =>
  Effect.gen(function* () {
    const work = read(
      run.options,
      batches.flatMap((batch) => [...batch.messages]),
    )
    const acknowledge = Effect.forEach(batches, (batch) => batch.acknowledge, { discard: true })
    yield* untilSettled(run, work, acknowledge).pipe(
      Effect.zipRight(Ref.set(run.deadInARow, 0)),
      Effect.catchAll(() => Effect.zipRight(oneByOne(run, work), acknowledge)),
      run.metrics.track(batches),
      spanned(run, batches, work),
    )
  })

/** By OpenTelemetry's messaging conventions: one span a batch, with links to those who sent its messages. */
const spanned =
  <A, E, R>(run: Run<A, E, R>, batches: ReadonlyArray<PartitionBatch>, { incoming }: Work<A>) =>
  <B, E2, R2>(settling: Effect.Effect<B, E2, R2>): Effect.Effect<B, E2, R2> => {
    if (!run.collected) return settling
    const topics = [...new Set(batches.map((batch) => batch.topic))].join(",")
    return Effect.withSpan(settling, `process ${topics}`, {
      kind: "consumer",
      root: true,
      links: Tracing.links(incoming.flatMap(({ traceparent }) => (traceparent === undefined ? [] : [traceparent]))),
      attributes: {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": topics,
        "messaging.destination.partition.id": batches.map((batch) => batch.partition).join(","),
        "messaging.consumer.group.name": run.options.name,
        "messaging.batch.message_count": batches.reduce((sum, batch) => sum + batch.messages.length, 0),
      },
    })
  }

const read = <A, E, R>(options: ConsumerOptions<A, E, R>, messages: ReadonlyArray<ReceivedMessage>): Work<A> => {
  const incoming: Array<Incoming<A>> = []
  const unreadable: Array<DeadLetters.DeadLetter> = []
  for (const received of messages) {
    const decoded = options.decode(received)
    if (Either.isRight(decoded)) incoming.push({ ...decoded.right, received })
    else unreadable.push({ message: received, error: decoded.left.reason, attempts: 1 })
  }
  return { incoming, unreadable }
}

/** The batch, or a message of it, would fail in the same way for ever. */
class DataFault extends Data.TaggedError("DataFault")<{ readonly cause: Cause.Cause<unknown> }> {}

/**
 * Tries until the batch is committed, then does what comes after the commit; fails when it can never be committed. Waiting may
 * be interrupted; a transaction and what follows it may not, so that a shutdown stores the offset of what it finished.
 */
const untilSettled = <A, E, R>(run: Run<A, E, R>, work: Work<A>, acknowledge: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    const attempts = yield* Ref.make(0)
    const attempt = Effect.flatMap(
      Ref.getAndUpdate(attempts, (number) => number + 1),
      (number) => Effect.uninterruptible(Effect.zipRight(once(run, work, { number }), acknowledge)),
    )
    return yield* attempt.pipe(
      Effect.catchAllCause(
        (cause): Effect.Effect<never, DataFault | Cause.Cause<E | SqlError.SqlError>> =>
          Cause.isInterrupted(cause)
            ? Effect.interrupt
            : isDataFault(cause)
              ? Effect.fail(new DataFault({ cause }))
              : Effect.zipRight(logFault(run.options.name, attempts, cause), Effect.fail(cause)),
      ),
      Effect.retry({
        while: (fault) => (fault instanceof DataFault ? Effect.succeed(false) : Effect.as(run.metrics.retried, true)),
        schedule: RetrySchedules.technicalFault,
      }),
      // The schedule has no end, so that nothing but a fault of the data is left.
      Effect.catchAll((fault) =>
        fault instanceof DataFault ? Effect.fail(fault) : Effect.failCause(Cause.die(fault)),
      ),
    )
  })

/** The second failure in a row is worth a line, and every hundredth after it; the first is often a lost race. */
const logFault = (name: string, attempts: Ref.Ref<number>, cause: Cause.Cause<unknown>) =>
  Effect.flatMap(Ref.get(attempts), (number) =>
    number === 2 || number % 100 === 0
      ? Effect.logWarning(`${name} cannot settle a batch for now, trying on (attempt ${number})`, cause)
      : Effect.logDebug(`${name} tries a batch again`, cause),
  )

const oneByOne = <A, E, R>(run: Run<A, E, R>, work: Work<A>) =>
  Effect.gen(function* () {
    const { options, deadInARow } = run
    const bury = (letters: ReadonlyArray<DeadLetters.DeadLetter>) =>
      letters.length === 0
        ? Effect.void
        : untilSettled(run, { incoming: [], unreadable: letters }).pipe(
            // Bytes that are already in a message fit the dead letters' columns.
            Effect.orDie,
          )
    yield* bury(work.unreadable)
    for (const message of work.incoming) {
      yield* untilSettled(run, { incoming: [message], unreadable: [] }).pipe(
        Effect.zipLeft(Ref.set(deadInARow, 0)),
        Effect.catchAll(({ cause }) =>
          Effect.gen(function* () {
            const inARow = yield* Ref.updateAndGet(deadInARow, (number) => number + 1)
            if (inARow > maximumDeadInARow) return yield* new TooManyDeadLetters({ consumer: options.name })
            yield* Effect.logError(`${options.name} sets a message aside as a dead letter`, cause)
            yield* bury([{ message: message.received, error: Cause.pretty(cause), attempts: 1 }])
          }),
        ),
      )
    }
  })
