import { Duration, Effect, Metric } from "effect"
import type { PartitionBatch } from "../Broker.js"
import * as Metrics from "../Metrics.js"

/** What one committed transaction of a consumer came to, in messages. */
export interface Outcome {
  readonly duplicates: number
  readonly dead: number
}

/** The measurements of one consumer. */
export interface ConsumerMetrics {
  readonly retried: Effect.Effect<void>
  readonly committed: (outcome: Outcome) => Effect.Effect<void>
  /** Measures the settling of these batches, which are acknowledged when it succeeds. */
  readonly track: (
    batches: ReadonlyArray<PartitionBatch>,
  ) => <A, E, R>(settling: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** The kit's metrics under the label `consumer`. */
export const make = (consumer: string): ConsumerMetrics => {
  const of = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) => Metric.tagged(metric, "consumer", consumer)
  const retries = of(Metrics.retries)
  const duplicates = of(Metrics.duplicates)
  const deadLetters = of(Metrics.deadLetters)
  const consumed = of(Metrics.consumed)
  const batchSize = of(Metrics.consumeBatchSize)
  const duration = of(Metrics.consumeDuration)
  const lags = new Map<string, Metric.Metric.Gauge<number>>()
  const lagOf = ({ topic, partition }: PartitionBatch) => {
    const name = `${topic}/${partition}`
    const known = lags.get(name)
    if (known !== undefined) return known
    const lag = of(Metrics.consumerLag).pipe(
      Metric.tagged("topic", topic),
      Metric.tagged("partition", String(partition)),
    )
    lags.set(name, lag)
    return lag
  }

  return {
    retried: Metric.increment(retries),
    committed: (outcome) =>
      Effect.gen(function* () {
        if (outcome.duplicates > 0) yield* Metric.incrementBy(duplicates, outcome.duplicates)
        if (outcome.dead > 0) yield* Metric.incrementBy(deadLetters, outcome.dead)
      }),
    track: (batches) => (settling) =>
      settling.pipe(
        Metric.trackDurationWith(duration, Duration.toSeconds),
        Effect.tap(() =>
          Effect.gen(function* () {
            const messages = batches.reduce((sum, batch) => sum + batch.messages.length, 0)
            yield* Metric.incrementBy(consumed, messages)
            yield* Metric.update(batchSize, messages)
            for (const batch of batches) {
              const last = batch.messages.at(-1)
              if (last !== undefined) {
                yield* Metric.set(lagOf(batch), Math.max(0, Number(batch.highWatermark - last.offset) - 1))
              }
            }
          }),
        ),
      ),
  }
}
