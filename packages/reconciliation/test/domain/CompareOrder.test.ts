import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import type { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import { type SagaState, transitions } from "@tandem/order-service/domain/OrderSaga"
import { answer, settle } from "@tandem/payment-service/domain/Settlement"
import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import {
  compareOrder,
  type OrderRecord,
  type PaymentRecord,
  type PaymentStatus,
} from "../../src/domain/CompareOrder.js"

const patience = { settleGrace: 1_000, paymentTimeout: 10_000 }
const fields = { orderId: "01900000-0000-7000-8000-000000000001", userId: "u1", amount: 100 }
const requests = {
  pay: new PaymentRequested(fields),
  cancel: new PaymentCancellationRequested({ ...fields, reason: "CancelledByUser" }),
  refund: new RefundRequested({ ...fields, reason: "RefundedByUser" }),
} as const satisfies Record<string, PaymentRequest>

type Payments = Parameters<typeof settle>[0]["payments"]

/** The saga of one order in small: both services' own decisions over one order, its messages in any order and number. */
const play = (
  balance: number,
  steps: ReadonlyArray<"hear" | "settle" | "cancel" | "refund" | "again">,
  picks: ReadonlyArray<number>,
) => {
  let order = {
    status: "NEW" as OrderRecord["status"],
    reason: null as OrderRecord["reason"],
    cancel: false,
    refund: false,
  }
  let accounts: Parameters<typeof settle>[0]["accounts"] = new Map([["u1", { userId: "u1", balance, version: 1 }]])
  let payments: Payments = new Map()
  const asked: Array<PaymentRequest> = [requests.pay]
  const toSettle: Array<PaymentRequest> = [requests.pay]
  const toHear: Array<PaymentResult> = []
  let turn = 0
  const pick = <A>(from: Array<A>): A | undefined =>
    from.splice((picks[turn++ % picks.length] ?? 0) % (from.length || 1), 1)[0]
  const settleOne = () => {
    const command = pick(toSettle)
    if (command === undefined) return
    const settled = settle({ accounts, payments }, [command])
    accounts = new Map([...accounts, ...settled.accounts.map(({ after }) => [after.userId, after] as const)])
    payments = new Map([...payments, ...settled.payments.map(({ after }) => [after.orderId, after] as const)])
    toHear.push(...settled.results)
  }
  const hearOne = () => {
    const result = pick(toHear)
    if (result === undefined) return
    const state: SagaState = order.status === "NEW" && order.cancel ? "NEW, cancellation asked" : order.status
    const status = transitions[state][result._tag]
    if (status !== "no change")
      order = { ...order, status, reason: result._tag === "PaymentSucceeded" ? null : result.reason }
  }
  const say = (request: PaymentRequest) => {
    asked.push(request)
    toSettle.push(request)
  }
  for (const step of steps) {
    if (step === "settle") settleOne()
    else if (step === "hear") hearOne()
    else if (step === "cancel" && order.status === "NEW") {
      order = { ...order, cancel: true }
      say(requests.cancel)
    } else if (step === "refund" && order.status === "FINISHED") {
      order = { ...order, refund: true }
      say(requests.refund)
    } else if (step === "again") {
      const request = pick([...asked])
      if (request !== undefined) toSettle.push(request)
    }
  }
  const records = (age: number): readonly [OrderRecord, PaymentRecord | undefined] => {
    const payment = payments.get(fields.orderId)
    const { status, reason, cancel, refund } = order
    return [
      { ...fields, status, reason, cancellationAsked: cancel, refundAsked: refund, age, waiting: age },
      payment === undefined
        ? undefined
        : { ...fields, status: payment.status, reason: payment.status === "SUCCEEDED" ? null : payment.reason, age },
    ]
  }
  const deliverAll = () => {
    while (toSettle.length > 0 || toHear.length > 0) {
      settleOne()
      hearOne()
    }
  }
  const hearRecorded = () => {
    const payment = payments.get(fields.orderId)
    if (payment !== undefined) toHear.push(answer(payment))
    deliverAll()
  }
  const loseMessages = () => {
    toSettle.length = 0
    toHear.length = 0
  }
  return { records, deliverAll, hearRecorded, loseMessages }
}

const histories = [
  fc.constantFrom(0, 100),
  fc.array(fc.constantFrom("hear", "settle", "cancel", "refund", "again"), { maxLength: 12 }),
  fc.array(fc.nat(20), { minLength: 1, maxLength: 10 }),
] as const

const old = 60_000

describe("an order and the decision about it", () => {
  it("agree whenever every message has had its effect, in any order and number", () => {
    fc.assert(
      fc.property(...histories, (balance, steps, picks) => {
        const saga = play(balance, steps as ReadonlyArray<"hear">, picks)
        saga.deliverAll()
        expect(compareOrder(...saga.records(old), patience)).toBe("agree")
      }),
      { numRuns: 500 },
    )
  })

  it("are pending while messages are under way, and never contradict each other", () => {
    fc.assert(
      fc.property(...histories, (balance, steps, picks) => {
        const saga = play(balance, steps as ReadonlyArray<"hear">, picks)
        expect(["agree", "pending"]).toContain(compareOrder(...saga.records(0), patience))
        const later = compareOrder(...saga.records(old), patience)
        expect(["agree", "unheard-decision", "unanswered-order"]).toContain(
          typeof later === "string" ? later : later.kind,
        )
      }),
      { numRuns: 500 },
    )
  })

  it("agree after the recorded answer was heard once more, when that is what the finding says", () => {
    fc.assert(
      fc.property(...histories, (balance, steps, picks) => {
        const saga = play(balance, steps as ReadonlyArray<"hear">, picks)
        saga.loseMessages()
        const lost = compareOrder(...saga.records(old), patience)
        if (typeof lost === "string" || lost.kind !== "unheard-decision") return
        saga.hearRecorded()
        expect(compareOrder(...saga.records(old), patience)).toBe("agree")
      }),
      { numRuns: 500 },
    )
  })

  it.each(["SUCCEEDED", "DECLINED", "CANCELLED", "REFUNDED"] satisfies ReadonlyArray<PaymentStatus>)(
    "never agree over another user or amount, also while they are young (%s)",
    (status) => {
      const [order] = play(0, [], [0]).records(0)
      const payment: PaymentRecord = { ...fields, status, reason: null, age: 0 }
      for (const other of [{ userId: "u2" }, { amount: 99 }]) {
        expect(compareOrder(order, { ...payment, ...other }, patience)).toMatchObject({ kind: "terms-mismatch" })
      }
    },
  )
})
