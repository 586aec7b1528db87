import { Duration, Effect, Metric, MetricBoundaries } from "effect"
import type { Settlement } from "../domain/Settlement.js"

const attempts = Metric.counter("tandem_settlement_attempts_total", {
  description:
    "Tries to settle a batch: the first without locks, the second at once with them, later ones after a pause",
  incremental: true,
})

const conflicts = Metric.counter("tandem_settlement_version_misses_total", {
  description: "Accounts that changed between being read and being written by a settlement",
  incremental: true,
})

const lockWait = Metric.histogram(
  "tandem_settlement_lock_seconds",
  MetricBoundaries.exponential({ start: 0.000_5, factor: 2, count: 13 }),
  "Time that reading with row locks took, waiting for the locks included",
)

const batchSize = Metric.histogram(
  "tandem_settlement_batch_commands",
  MetricBoundaries.fromIterable([1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]),
  "Commands in a batch, each try counted",
)

const decisions = Metric.counter("tandem_payment_decisions_total", {
  description: "Payments decided or changed by committed settlements, by status and reason",
  incremental: true,
})

const order = ["first", "second"]

/** A batch of so many commands is tried once more; `attempt` is 0 the first time. */
export const attempted = (attempt: number, commands: number): Effect.Effect<void> =>
  Effect.zipRight(
    Metric.increment(Metric.tagged(attempts, "attempt", order[attempt] ?? "later")),
    Metric.update(batchSize, commands),
  )

/** So many accounts were not at the version under which they were read. */
export const missed = (accounts: number): Effect.Effect<void> => Metric.incrementBy(conflicts, accounts)

/** Measures a read with row locks. */
export const timeLocks: <A, E, R>(read: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Metric.trackDurationWith(
  lockWait,
  Duration.toSeconds,
)

/** Counts what a settlement decided; for after its commit. */
export const decided = ({ payments }: Settlement): Effect.Effect<void> => {
  const counts = new Map<string, { readonly status: string; readonly reason: string; count: number }>()
  for (const { after } of payments) {
    const reason = "reason" in after ? after.reason : ""
    const known = counts.get(after.status + reason)
    if (known === undefined) counts.set(after.status + reason, { status: after.status, reason, count: 1 })
    else known.count++
  }
  return Effect.forEach(
    counts.values(),
    ({ status, reason, count }) =>
      Metric.incrementBy(decisions.pipe(Metric.tagged("status", status), Metric.tagged("reason", reason)), count),
    { discard: true },
  )
}
