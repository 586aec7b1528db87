import { transitions as orders } from "@tandem/order-service/domain/OrderSaga"
import { transitions as payments } from "@tandem/payment-service/domain/PaymentSaga"
import { describe, expect, it } from "vitest"
import { explore } from "./Explore.js"
import { type Budget, beginning, price, type Rules, rules } from "./Saga.js"

/** How much may go wrong; `SAGA_MODEL_DEPTH=3` and more look further, for hours if need be. */
const depth = Number(process.env["SAGA_MODEL_DEPTH"] ?? 2)

const one: Budget = { topUps: 1, cancellations: 1, refunds: 1, asksAgain: depth, duplicates: depth, deadLetters: depth }
const two: Budget = { topUps: 0, cancellations: 1, refunds: 1, asksAgain: depth, duplicates: 0, deadLetters: depth - 1 }

describe("in every interleaving, each order ends in exactly one state and the money agrees", () => {
  it.each([
    ["an order of a user without an account", ["order A"], undefined, one],
    ["an order that cannot be paid", ["order A"], 0, one],
    ["an order that can be paid", ["order A"], price, one],
    ["two orders, money for one", ["order A", "order B"], price, two],
    ["two orders, money for both", ["order A", "order B"], 2 * price, two],
  ] as const)(
    "%s",
    (_, placed, balance, budget) => {
      const { worlds, story } = explore(beginning({ orders: placed, balance, budget }), rules)
      console.info(`${worlds} worlds`)
      expect(story).toBeUndefined()
      expect(worlds).toBeGreaterThan(1_000)
    },
    300_000,
  )
})

/** The shortest story of a promise that breaks under these rules, for an order that can or cannot be paid. */
const broken = (changed: Partial<Rules>) => {
  const stories = [0, price].flatMap((balance) => {
    const start = beginning({
      orders: ["order A"],
      balance,
      budget: { ...one, asksAgain: 1, duplicates: 1, deadLetters: 1 },
    })
    return explore(start, { ...rules, ...changed }).story ?? []
  })
  return stories
}

type Table = Record<string, Record<string, string>>

/** Runs with one cell of a table changed, and puts it back. */
const withCell = <A>(table: unknown, state: string, event: string, value: string, run: () => A): A => {
  const row = (table as Table)[state] ?? {}
  const before = row[event] ?? ""
  row[event] = value
  try {
    return run()
  } finally {
    row[event] = before
  }
}

describe("each rule is needed", () => {
  const counterexample = (story: ReadonlyArray<string>) => {
    console.info(story.join("\n  "))
    expect(story.length).toBeGreaterThan(0)
  }

  it("to repeat the recorded answer", () => {
    counterexample(
      broken({
        settle: (known, commands) => {
          const settlement = rules.settle(known, commands)
          const decided = new Set(settlement.payments.map(({ after }) => after.orderId))
          return { ...settlement, results: settlement.results.filter(({ orderId }) => decided.has(orderId)) }
        },
      }),
    )
  })

  it("to ask again, and to cancel for the timeout", () => {
    counterexample(broken({ askAgain: () => ({ _tag: "AsBefore" }) }))
  })

  it("to remember the cancellation of what was never requested: the tombstone", () => {
    counterexample(
      broken({
        settle: (known, commands) => {
          const settlement = rules.settle(known, commands)
          return { ...settlement, payments: settlement.payments.filter(({ after }) => after.status !== "CANCELLED") }
        },
      }),
    )
  })

  it("never to reconsider a decline", () => {
    counterexample(
      broken({
        settle: ({ accounts, payments: known }, commands) =>
          rules.settle(
            { accounts, payments: new Map([...known].filter(([, { status }]) => status !== "DECLINED")) },
            commands,
          ),
      }),
    )
  })

  it.each([
    [
      "a success does not finish an order that is being cancelled",
      orders,
      "NEW, cancellation asked",
      "PaymentSucceeded",
      "FINISHED",
    ],
    [
      "a refund ends an order that never heard of its payment",
      orders,
      "NEW, cancellation asked",
      "PaymentRefunded",
      "no change",
    ],
    [
      "a decline ends an order that is being cancelled",
      orders,
      "NEW, cancellation asked",
      "PaymentDeclined",
      "no change",
    ],
    ["a cancellation ends the order", orders, "NEW, cancellation asked", "PaymentCancelled", "no change"],
    ["a refund of a finished order is heard", orders, "FINISHED", "PaymentRefunded", "no change"],
    [
      "a cancellation of what was paid gives the money back",
      payments,
      "SUCCEEDED",
      "PaymentCancellationRequested",
      "repeat",
    ],
    ["a refund of what was paid gives the money back", payments, "SUCCEEDED", "RefundRequested", "repeat"],
    ["a request after its cancellation is not decided", payments, "CANCELLED", "PaymentRequested", "decide"],
    ["a request is not decided twice", payments, "SUCCEEDED", "PaymentRequested", "decide"],
    ["a refunded payment is not taken again", payments, "REFUNDED", "PaymentRequested", "decide"],
  ] as const)("%s", (_, table, state, event, value) => {
    counterexample(withCell(table, state, event, value, () => broken({})))
  })
})
