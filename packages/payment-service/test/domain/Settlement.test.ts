import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import type { Account } from "../../src/domain/Ledger.js"
import { type Known, settle } from "../../src/domain/Settlement.js"

const id = (n: number) => `01936f4e-8f2a-7c3b-9d4e-00000000000${n}`
/** An order always says the same user and amount. */
const order = (n: number) => ({ orderId: id(n), userId: `u${n % 3}`, amount: 10 + n })

const request = (n: number) => new PaymentRequested(order(n))
const cancel = (n: number) => new PaymentCancellationRequested({ ...order(n), reason: "CancelledByUser" })
const refund = (n: number) => new RefundRequested({ ...order(n), reason: "RefundedByUser" })

const account = (userId: string, balance: number): Account => ({ userId, balance, version: 1 })
const known = (...accounts: ReadonlyArray<Account>): Known => ({
  accounts: new Map(accounts.map((one) => [one.userId, one])),
  payments: new Map(),
})

/** What is known once a settlement is written. */
const after = (before: Known, settlement: ReturnType<typeof settle>): Known => ({
  accounts: new Map([...before.accounts, ...settlement.accounts.map(({ after }) => [after.userId, after] as const)]),
  payments: new Map([...before.payments, ...settlement.payments.map(({ after }) => [after.orderId, after] as const)]),
})

const command = fc
  .record({ n: fc.integer({ min: 0, max: 6 }), make: fc.constantFrom(request, request, cancel, refund) })
  .map(({ n, make }) => make(n))
const commands = fc.array(command, { maxLength: 20 })
const accounts = fc
  .tuple(fc.option(fc.nat(40)), fc.option(fc.nat(40)), fc.option(fc.nat(40)))
  .map((balances) => known(...balances.flatMap((balance, n) => (balance === null ? [] : [account(`u${n}`, balance)]))))

const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0)

describe("settling a batch", () => {
  it("pays while the money lasts, and says what is left", () => {
    const { results, transfers } = settle(known(account("u0", 25)), [request(0), request(3), request(6)])
    expect(
      results.map((result) => [result._tag, "balanceAfter" in result ? result.balanceAfter : result.reason]),
    ).toEqual([
      ["PaymentSucceeded", 15],
      ["PaymentSucceeded", 2],
      ["PaymentDeclined", "InsufficientFunds"],
    ])
    expect(transfers.map((line) => [line.version, line.balanceAfter])).toEqual([
      [2, 15],
      [3, 2],
    ])
  })

  it("declines for a user without an account", () => {
    expect(settle(known(), [request(1)]).results).toMatchObject([
      { _tag: "PaymentDeclined", reason: "AccountNotFound" },
    ])
  })

  it("never reconsiders a decline, whatever is topped up meanwhile", () => {
    const poor = known(account("u0", 0))
    const declined = after(poor, settle(poor, [request(0)]))
    const rich: Known = { ...declined, accounts: new Map([["u0", account("u0", 1_000)]]) }
    const again = settle(rich, [request(0)])
    expect(again.results).toMatchObject([{ _tag: "PaymentDeclined", reason: "InsufficientFunds" }])
    expect(again.transfers).toEqual([])
  })

  it("does not pay what was cancelled before its request came", () => {
    const { results, transfers } = settle(known(account("u0", 100)), [cancel(0), request(0)])
    expect(results.map((result) => result._tag)).toEqual(["PaymentCancelled", "PaymentCancelled"])
    expect(transfers).toEqual([])
  })

  it("gives the money back once, whether it is asked by a refund, a cancellation or both", () => {
    const { results, accounts: changed } = settle(known(account("u0", 100)), [
      request(0),
      refund(0),
      cancel(0),
      refund(0),
    ])
    expect(results.map((result) => result._tag)).toEqual([
      "PaymentSucceeded",
      "PaymentRefunded",
      "PaymentRefunded",
      "PaymentRefunded",
    ])
    expect(changed.map(({ after }) => after)).toEqual([{ userId: "u0", balance: 100, version: 3 }])
  })

  it("sets aside what contradicts the record", () => {
    const other = new PaymentRequested({ ...order(0), amount: 99 })
    const stranger = new PaymentRequested({ ...order(0), userId: "u1" })
    const { impossible } = settle(known(account("u0", 100)), [refund(1), request(0), other, stranger])
    expect(impossible.map(({ index }) => index)).toEqual([0, 2, 3])
  })

  it("conserves money, and no balance is ever negative", () => {
    fc.assert(
      fc.property(accounts, commands, (before, batch) => {
        const settlement = settle(before, batch)
        const then = after(before, settlement)
        const balance = (state: Known) => sum([...state.accounts.values()].map((one) => one.balance))
        const settled = sum(settlement.transfers.map((line) => (line.kind === "payment" ? line.amount : -line.amount)))
        expect(balance(then)).toBe(balance(before) - settled)
        expect(settlement.transfers.every((line) => line.balanceAfter >= 0)).toBe(true)
        for (const [userId, one] of then.accounts) {
          const lines = settlement.transfers.filter((line) => line.userId === userId)
          const start = before.accounts.get(userId)?.version ?? 0
          expect(lines.map((line) => line.version)).toEqual(lines.map((_, index) => start + index + 1))
          expect(one.version).toBe(start + lines.length)
        }
      }),
    )
  })

  it("pays and refunds each order once at the most", () => {
    fc.assert(
      fc.property(accounts, commands, (before, batch) => {
        const { transfers } = settle(before, batch)
        const keys = transfers.map((line) => `${line.kind} ${line.orderId}`)
        expect(new Set(keys).size).toBe(keys.length)
      }),
    )
  })

  it("decides each order once: what is known of it changes from paid to refunded and in no other way", () => {
    fc.assert(
      fc.property(accounts, commands, commands, (before, batch, later) => {
        const then = after(before, settle(before, batch))
        const { payments } = settle(then, later)
        expect(new Set(payments.map(({ after }) => after.orderId)).size).toBe(payments.length)
        for (const { before: recorded, after: now } of payments) {
          expect(recorded).toEqual(then.payments.get(now.orderId))
          if (recorded !== undefined) {
            expect([recorded.status, now.status]).toEqual(["SUCCEEDED", "REFUNDED"])
            expect({ ...now, status: recorded.status, reason: undefined }).toEqual({ ...recorded, reason: undefined })
          }
        }
      }),
    )
  })

  it("comes to the same when possible commands come again later, in this batch or a next one", () => {
    const copies = fc.array(fc.tuple(fc.nat(19), fc.nat(19)), { maxLength: 10 })
    fc.assert(
      fc.property(accounts, commands, copies, fc.nat(30), (before, batch, places, cut) => {
        const whole = settle(before, batch)
        const impossible = new Set(whole.impossible.map(({ index }) => index))
        const doubled = batch.flatMap((command, at) => [
          command,
          ...places.flatMap(([from, to]) => {
            const earlier = batch[from]
            return to === at && from <= at && earlier !== undefined && !impossible.has(from) ? [earlier] : []
          }),
        ])
        const first = settle(before, doubled.slice(0, cut))
        const second = settle(after(before, first), doubled.slice(cut))
        expect(after(after(before, first), second)).toEqual(after(before, whole))
        expect([...first.transfers, ...second.transfers]).toEqual(whole.transfers)
      }),
    )
  })

  it("answers every possible command with the payment's state", () => {
    fc.assert(
      fc.property(accounts, commands, (before, batch) => {
        const settlement = settle(before, batch)
        expect(settlement.results.length + settlement.impossible.length).toBe(batch.length)
        const last = new Map(settlement.results.map((result) => [result.orderId, result._tag]))
        const tags = {
          SUCCEEDED: "PaymentSucceeded",
          DECLINED: "PaymentDeclined",
          CANCELLED: "PaymentCancelled",
          REFUNDED: "PaymentRefunded",
        }
        for (const [orderId, tag] of last) {
          expect(tag).toBe(tags[after(before, settlement).payments.get(orderId)?.status ?? "SUCCEEDED"])
        }
      }),
    )
  })

  it("comes to the same whether a batch is settled whole or split, and a repetition moves no money", () => {
    fc.assert(
      fc.property(accounts, commands, fc.nat(20), (before, batch, cut) => {
        const whole = after(before, settle(before, batch))
        const first = after(before, settle(before, batch.slice(0, cut)))
        const second = after(first, settle(first, batch.slice(cut)))
        expect(second).toEqual(whole)
        const requests = batch.filter((one): one is PaymentRequest => one._tag === "PaymentRequested")
        expect(settle(whole, requests).transfers).toEqual([])
      }),
    )
  })
})
