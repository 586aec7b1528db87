import { PaymentCancelled } from "@tandem/contracts/messages/PaymentCancelled"
import { PaymentDeclined } from "@tandem/contracts/messages/PaymentDeclined"
import { PaymentRefunded } from "@tandem/contracts/messages/PaymentRefunded"
import { PaymentSucceeded } from "@tandem/contracts/messages/PaymentSucceeded"
import type { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import type { Account, TransferLine } from "./Ledger.js"
import { type Payment, type Refunded, type Succeeded, transitions } from "./PaymentSaga.js"

/** A command that contradicts what is recorded; `index` is its place in the batch. */
export interface Impossible {
  readonly index: number
  readonly reason: string
}

/** A decision about an order of which nothing was known; paid and refunded in one batch is one too. */
export interface NewDecision {
  readonly before?: never
  readonly after: Payment
}

/** A payment that was taken before this batch and given back in it: the only way in which a recorded decision changes. */
export interface Repaid {
  readonly before: Succeeded
  readonly after: Refunded
}

/** What a batch of commands comes to. */
export interface Settlement {
  /** The last state of every account that changed, once each. */
  readonly accounts: ReadonlyArray<{ readonly before: Account; readonly after: Account }>
  /** The last state of every payment that is new or changed, once each; `before` is absent for a new one. */
  readonly payments: ReadonlyArray<NewDecision | Repaid>
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
  const accounts = new Map<string, { readonly before: Account; readonly after: Account }>()
  const payments = new Map<string, NewDecision | Repaid>()
  const transfers: Array<TransferLine> = []
  const results: Array<PaymentResult> = []
  const impossible: Array<Impossible> = []

  const move = (account: Account, kind: "payment" | "refund", amount: number, orderId: string): Account => {
    const balance = kind === "payment" ? account.balance - amount : account.balance + amount
    const after = { userId: account.userId, balance, version: account.version + 1 }
    accounts.set(account.userId, { before: accounts.get(account.userId)?.before ?? account, after })
    transfers.push({ userId: account.userId, version: after.version, kind, amount, balanceAfter: balance, orderId })
    return after
  }

  /** The payment's state after the command, or why there can be none. */
  const decide = (command: PaymentRequest): Payment | string => {
    const { orderId, userId, amount } = command
    const payment = payments.get(orderId)?.after ?? known.payments.get(orderId)
    const account = accounts.get(userId)?.after ?? known.accounts.get(userId)
    if (payment !== undefined && (payment.userId !== userId || payment.amount !== amount)) {
      return `${command._tag} for another user or amount than is recorded`
    }
    const transition = transitions[payment?.status ?? "none"][command._tag]
    const decided = { orderId, userId, amount }
    const record = <A extends Payment>(after: A): A => {
      payments.set(orderId, { after })
      return after
    }
    if (transition === "decide") {
      if (account === undefined) return record({ ...decided, status: "DECLINED", reason: "AccountNotFound" })
      if (account.balance < amount) return record({ ...decided, status: "DECLINED", reason: "InsufficientFunds" })
      return record({
        ...decided,
        status: "SUCCEEDED",
        balanceAfter: move(account, "payment", amount, orderId).balance,
      })
    }
    if (transition === "cancel" && command._tag !== "PaymentRequested") {
      return record({ ...decided, status: "CANCELLED", reason: command.reason })
    }
    if (transition === "refund" && command._tag !== "PaymentRequested" && payment?.status === "SUCCEEDED") {
      if (account === undefined) return `${command._tag} for a payment whose account does not exist`
      move(account, "refund", amount, orderId)
      const after: Refunded = { ...payment, status: "REFUNDED", reason: command.reason }
      payments.set(orderId, payment === known.payments.get(orderId) ? { before: payment, after } : { after })
      return after
    }
    if (transition === "impossible" || payment === undefined) {
      return `${command._tag} for an order that nothing is known of`
    }
    return payment
  }

  commands.forEach((command, index) => {
    const decision = decide(command)
    if (typeof decision === "string") impossible.push({ index, reason: decision })
    else results.push(answer(decision))
  })

  return { accounts: [...accounts.values()], payments: [...payments.values()], transfers, results, impossible }
}

/** What is said of a payment, now and whenever it is asked again. */
export const answer = (payment: Payment): PaymentResult => {
  const trusted = { disableValidation: true }
  const { orderId, userId, amount } = payment
  switch (payment.status) {
    case "SUCCEEDED":
      return new PaymentSucceeded({ orderId, userId, amount, balanceAfter: payment.balanceAfter }, trusted)
    case "DECLINED":
      return new PaymentDeclined({ orderId, userId, amount, reason: payment.reason }, trusted)
    case "CANCELLED":
      return new PaymentCancelled({ orderId, userId, amount, reason: payment.reason }, trusted)
    case "REFUNDED":
      return new PaymentRefunded({ orderId, userId, amount, reason: payment.reason }, trusted)
  }
}
