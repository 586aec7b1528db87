import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { Effect, Metric } from "effect"

const settled = Metric.counter("tandem_orders_settled_total", {
  description: "Steps that orders took, by the status and its reason",
  incremental: true,
})

const conflicts = Metric.counter("tandem_order_settlement_version_misses_total", {
  description: "Orders that had changed between being read and being written; the batch was decided again",
  incremental: true,
})

/** So many orders took this step; after the commit. */
export const countSettled = (frames: ReadonlyArray<OrderStatusChanged>): Effect.Effect<void> => {
  const steps = new Map<string, number>()
  for (const { status, reason } of frames) {
    const step = `${status} ${reason ?? "none"}`
    steps.set(step, (steps.get(step) ?? 0) + 1)
  }
  return Effect.forEach(
    steps,
    ([step, count]) => {
      const [status = "", reason = ""] = step.split(" ")
      const labelled = settled.pipe(Metric.tagged("status", status), Metric.tagged("reason", reason))
      return Metric.incrementBy(labelled, count)
    },
    { discard: true },
  )
}

/** So many orders had changed meanwhile. */
export const countConflicts = (orders: number): Effect.Effect<void> => Metric.incrementBy(conflicts, orders)
