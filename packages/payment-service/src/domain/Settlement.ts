import { PaymentCancelled } from "@tandem/contracts/messages/PaymentCancelled"
import { PaymentDeclined } from "@tandem/contracts/messages/PaymentDeclined"
import { PaymentRefunded } from "@tandem/contracts/messages/PaymentRefunded"
import { PaymentSucceeded } from "@tandem/contracts/messages/PaymentSucceeded"
import type { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import type { Account, TransferLine } from "./Ledger.js"
import { type Payment, transitions } from "./PaymentSaga.js"

/** A command that contradicts what is recorded; `index` is its place in the batch. */
export interface Impossible {
  readonly index: number
  readonly reason: string
}

/** What a batch of commands comes to. */
export interface Settlement {
  /** The last state of every account that changed, once each. */
  readonly accounts: ReadonlyArray<{ readonly before: Account; readonly after: Account }>
  /** The last state of every payment that is new or changed, once each; `before` is absent for a new one. */
  readonly payments: ReadonlyArray<{ readonly before?: Payment; readonly after: Payment }>
  /** Every movement of money, in order. */
  readonly transfers: ReadonlyArray<TransferLine>
  /** An answer for each command that was possible, in order. */
  readonly results: ReadonlyArray<PaymentResult>
  readonly impossible: ReadonlyArray<Impossible>
}

/** What is known before the batch: the accounts of its users and the payments of its orders. */
export interface Known {
  readonly accounts: ReadonlyMap<string, Account>
  readonly payments: ReadonlyMap<string, Payment>
}

/** Decides a whole batch, one command after the other, as the saga's table says. Nothing is read or written: the same input gives the same answer. */
export const settle = (known: Known, commands: ReadonlyArray<PaymentRequest>): Settlement => {
  const accounts = new Map(known.accounts)
  const payments = new Map(known.payments)
  const transfers: Array<TransferLine> = []
  const results: Array<PaymentResult> = []
  const impossible: Array<Impossible> = []

  const move = (account: Account, kind: "payment" | "refund", amount: number, orderId: string): Account => {
    const balance = kind === "payment" ? account.balance - amount : account.balance + amount
    const after = { userId: account.userId, balance, version: account.version + 1 }
    accounts.set(account.userId, after)
    transfers.push({ userId: account.userId, version: after.version, kind, amount, balanceAfter: balance, orderId })
    return after
  }

  commands.forEach((command, index) => {
    const payment = payments.get(command.orderId)
    const account = accounts.get(command.userId)
    if (payment !== undefined && (payment.userId !== command.userId || payment.amount !== command.amount)) {
      impossible.push({ index, reason: `${command._tag} for another user or amount than is recorded` })
      return
    }
    const transition = transitions[payment?.status ?? "none"][command._tag]
    if (transition === "impossible") {
      impossible.push({ index, reason: `${command._tag} for an order that nothing is known of` })
      return
    }
    if (transition === "refund" && account === undefined) {
      impossible.push({ index, reason: `${command._tag} for a payment whose account does not exist` })
      return
    }
    const { orderId, userId, amount } = command
    const decided = { orderId, userId, amount }
    if (transition === "decide") {
      if (account === undefined) {
        payments.set(orderId, { ...decided, status: "DECLINED", reason: "AccountNotFound", balanceAfter: null })
      } else if (account.balance < amount) {
        payments.set(orderId, { ...decided, status: "DECLINED", reason: "InsufficientFunds", balanceAfter: null })
      } else {
        const { balance } = move(account, "payment", amount, orderId)
        payments.set(orderId, { ...decided, status: "SUCCEEDED", reason: null, balanceAfter: balance })
      }
    } else if (command._tag !== "PaymentRequested" && transition === "cancel") {
      payments.set(orderId, { ...decided, status: "CANCELLED", reason: command.reason, balanceAfter: null })
    } else if (
      command._tag !== "PaymentRequested" &&
      transition === "refund" &&
      payment !== undefined &&
      account !== undefined
    ) {
      move(account, "refund", amount, orderId)
      payments.set(orderId, { ...payment, status: "REFUNDED", reason: command.reason })
    }
    const now = payments.get(orderId)
    if (now !== undefined) results.push(answer(now))
  })

  return {
    accounts: changed(known.accounts, accounts).flatMap(({ before, after }) =>
      before === undefined ? [] : [{ before, after }],
    ),
    payments: changed(known.payments, payments),
    transfers,
    results,
    impossible,
  }
}

const changed = <A>(before: ReadonlyMap<string, A>, after: ReadonlyMap<string, A>) =>
  [...after].flatMap(([key, value]): ReadonlyArray<{ readonly before?: A; readonly after: A }> => {
    const old = before.get(key)
    if (old === value) return []
    return [old === undefined ? { after: value } : { before: old, after: value }]
  })

/** What is said of a payment, now and whenever it is asked again. */
export const answer = ({ orderId, userId, amount, status, reason, balanceAfter }: Payment): PaymentResult => {
  const trusted = { disableValidation: true }
  const fields = { orderId, userId, amount }
  if (status === "SUCCEEDED") return new PaymentSucceeded({ ...fields, balanceAfter: balanceAfter ?? 0 }, trusted)
  // Only a success has no reason; the database holds to it.
  const why = { ...fields, reason: reason ?? "InsufficientFunds" }
  switch (status) {
    case "DECLINED":
      return new PaymentDeclined(why, trusted)
    case "CANCELLED":
      return new PaymentCancelled(why, trusted)
    case "REFUNDED":
      return new PaymentRefunded(why, trusted)
  }
}
