import { describe, it } from "@effect/vitest"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { Deferred, Effect, Fiber, Metric, MetricState } from "effect"
import { expect } from "vitest"
import * as SettlementMetrics from "../../src/sql/SettlementMetrics.js"
import { someoneWaits } from "../until.js"
import { database } from "./database.js"
import { fund, settleOnce } from "./ledger.js"

/** What is counted under a metric's name so far: by label values for counters, the number of observations for histograms. */
const counted = (name: string) =>
  Effect.map(Metric.snapshot, (pairs) =>
    Object.fromEntries(
      pairs
        .filter(({ metricKey }) => metricKey.name === name)
        .map(({ metricKey, metricState }) => [
          metricKey.tags.map(({ value }) => value).join(" "),
          MetricState.isCounterState(metricState) || MetricState.isHistogramState(metricState) ? metricState.count : 0,
        ]),
    ),
  )

const names = {
  misses: "tandem_settlement_version_misses_total",
  attempts: "tandem_settlement_attempts_total",
  locks: "tandem_settlement_lock_seconds",
  sizes: "tandem_settlement_batch_commands",
  decisions: "tandem_payment_decisions_total",
}

describe("the settlement's metrics", () => {
  it.scopedLive("count tries, missed versions, waits for locks and decisions, and name nobody", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const order = new PaymentRequested({ orderId: yield* nextId, userId: "a", amount: 60 })
      const locked = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      const between = yield* Effect.fork(
        transaction(
          fund("a", 1).pipe(
            Effect.zipRight(Deferred.succeed(locked, undefined)),
            Effect.zipRight(Deferred.await(finish)),
          ),
        ),
      )
      yield* Deferred.await(locked)
      const first = yield* Effect.fork(Effect.flip(settleOnce([order])))
      yield* someoneWaits
      yield* Deferred.succeed(finish, undefined)
      yield* Fiber.join(between)
      yield* Fiber.join(first)
      const settlement = yield* settleOnce([order], 1)
      yield* settleOnce([order], 7)
      yield* SettlementMetrics.decided(settlement)
      const poor = yield* settleOnce([new PaymentRequested({ orderId: yield* nextId, userId: "b", amount: 1 })])
      yield* SettlementMetrics.decided(poor)

      expect(yield* counted(names.misses)).toEqual({ "": 1 })
      expect(yield* counted(names.attempts)).toEqual({ first: 2, second: 1, later: 1 })
      expect(yield* counted(names.locks)).toEqual({ "": 2 })
      expect(yield* counted(names.sizes)).toEqual({ "": 4 })
      expect(yield* counted(names.decisions)).toEqual({ "SUCCEEDED ": 1, "DECLINED AccountNotFound": 1 })
    }).pipe(Effect.provide(database)),
  )
})
