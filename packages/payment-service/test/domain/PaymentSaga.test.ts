import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { describe, expect, it } from "vitest"
import { type Payment, transitions } from "../../src/domain/PaymentSaga.js"
import { answer, settle } from "../../src/domain/Settlement.js"

const order = { orderId: "01936f4e-8f2a-7c3b-9d4e-000000000001", userId: "1", amount: 10 }

const commands = {
  PaymentRequested: new PaymentRequested(order),
  PaymentCancellationRequested: new PaymentCancellationRequested({ ...order, reason: "CancelledByUser" }),
  RefundRequested: new RefundRequested({ ...order, reason: "RefundedByUser" }),
} satisfies Record<PaymentRequest["_tag"], PaymentRequest>

const payments: Readonly<Record<keyof typeof transitions, Payment | undefined>> = {
  none: undefined,
  SUCCEEDED: { ...order, status: "SUCCEEDED", balanceAfter: 90 },
  DECLINED: { ...order, status: "DECLINED", reason: "AccountNotFound" },
  CANCELLED: { ...order, status: "CANCELLED", reason: "PaymentTimeout" },
  REFUNDED: { ...order, status: "REFUNDED", reason: "PaymentTimeout", balanceAfter: 90 },
}

type Outcome = readonly [status: string, moved: number, detail: number | string]

const paid: Outcome = ["PaymentSucceeded", -10, 40]
const succeeded: Outcome = ["PaymentSucceeded", 0, 90]
const declined: Outcome = ["PaymentDeclined", 0, "AccountNotFound"]
const cancelled: Outcome = ["PaymentCancelled", 0, "PaymentTimeout"]
const refunded: Outcome = ["PaymentRefunded", 0, "PaymentTimeout"]

/** The design's table in full: what is answered, how the balance of 50 moves, and the answer's `balanceAfter` or `reason`. */
const table: ReadonlyArray<
  readonly [state: keyof typeof transitions, command: PaymentRequest["_tag"], outcome: Outcome | "impossible"]
> = [
  ["none", "PaymentRequested", paid],
  ["none", "PaymentCancellationRequested", ["PaymentCancelled", 0, "CancelledByUser"]],
  ["none", "RefundRequested", "impossible"],
  ["SUCCEEDED", "PaymentRequested", succeeded],
  ["SUCCEEDED", "PaymentCancellationRequested", ["PaymentRefunded", 10, "CancelledByUser"]],
  ["SUCCEEDED", "RefundRequested", ["PaymentRefunded", 10, "RefundedByUser"]],
  ["DECLINED", "PaymentRequested", declined],
  ["DECLINED", "PaymentCancellationRequested", declined],
  ["DECLINED", "RefundRequested", declined],
  ["CANCELLED", "PaymentRequested", cancelled],
  ["CANCELLED", "PaymentCancellationRequested", cancelled],
  ["CANCELLED", "RefundRequested", cancelled],
  ["REFUNDED", "PaymentRequested", refunded],
  ["REFUNDED", "PaymentCancellationRequested", refunded],
  ["REFUNDED", "RefundRequested", refunded],
]

const settleOne = (payment: Payment | undefined, command: PaymentRequest) =>
  settle(
    {
      accounts: new Map([["1", { userId: "1", balance: 50, version: 4 }]]),
      payments: new Map(payment === undefined ? [] : [[order.orderId, payment]]),
    },
    [command],
  )

describe("the saga's table of payments", () => {
  it("has a row for every state and command", () => {
    const rows = table.map(([state, command]) => `${state} ${command}`)
    const cells = Object.keys(transitions).flatMap((state) => Object.keys(commands).map((tag) => `${state} ${tag}`))
    expect(rows).toEqual(cells)
  })

  it.each(table)("%s, %s", (state, tag, outcome) => {
    const settlement = settleOne(payments[state], commands[tag])
    if (outcome === "impossible") {
      expect(settlement).toMatchObject({
        accounts: [],
        payments: [],
        transfers: [],
        results: [],
        impossible: [{ index: 0 }],
      })
      return
    }
    const [result, moved, detail] = outcome
    expect(settlement.impossible).toEqual([])
    expect(settlement.results).toMatchObject([
      { _tag: result, ...order, ...(typeof detail === "number" ? { balanceAfter: detail } : { reason: detail }) },
    ])
    expect(settlement.accounts).toEqual(
      moved === 0
        ? []
        : [
            {
              before: { userId: "1", balance: 50, version: 4 },
              after: { userId: "1", balance: 50 + moved, version: 5 },
            },
          ],
    )
    expect(settlement.transfers).toHaveLength(moved === 0 ? 0 : 1)
  })

  it.each(table.filter(([, , outcome]) => outcome !== "impossible"))(
    "gives the same answer again after %s, %s, and moves no more money",
    (state, tag) => {
      const first = settleOne(payments[state], commands[tag])
      const recorded = first.payments[0]?.after ?? payments[state]
      const again = settleOne(recorded, commands.PaymentRequested)
      expect(again.results).toEqual(first.results)
      expect(again.results).toEqual(recorded === undefined ? [] : [answer(recorded)])
      expect(again).toMatchObject({ accounts: [], payments: [], transfers: [] })
    },
  )

  it.each(["SUCCEEDED", "DECLINED", "CANCELLED", "REFUNDED"] as const)(
    "sets aside every command for a %s order with another user or amount",
    (state) => {
      for (const command of Object.values(commands)) {
        for (const change of [{ userId: "2" }, { amount: 11 }]) {
          const settlement = settleOne(payments[state], { ...command, ...change })
          expect(settlement).toMatchObject({ accounts: [], payments: [], transfers: [], results: [] })
          expect(settlement.impossible).toHaveLength(1)
        }
      }
    },
  )
})
