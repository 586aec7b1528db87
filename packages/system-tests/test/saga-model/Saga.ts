import type { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import {
  type Asking,
  askAgain,
  askCancellation,
  askPayment,
  askRefund,
} from "@tandem/order-service/domain/OrderCommands"
import type { OrderState } from "@tandem/order-service/domain/OrderSaga"
import { settleResults } from "@tandem/order-service/domain/SettleResults"
import type { Account } from "@tandem/payment-service/domain/Ledger"
import type { Payment } from "@tandem/payment-service/domain/PaymentSaga"
import { settle } from "@tandem/payment-service/domain/Settlement"

/** The services' own decisions; a test takes one of them away to see that it is needed. */
export const rules = { settle, settleResults, askPayment, askCancellation, askRefund, askAgain }

/** What decides. */
export type Rules = typeof rules

/** How often each disturbance may still happen. */
export interface Budget {
  readonly topUps: number
  readonly cancellations: number
  readonly refunds: number
  /** Timeouts and repeated questions. */
  readonly asksAgain: number
  /** Deliveries that leave the message on the wire: the inbox has forgotten it, so that it has its effect a second time. */
  readonly duplicates: number
  /** Messages that are set aside; they may come back at any time, or never. */
  readonly deadLetters: number
}

/** Everything that both services and the wire between them know. Messages are multisets: they may arrive in any order. */
export interface World {
  readonly orders: ReadonlyMap<string, OrderState>
  readonly unplaced: ReadonlyArray<string>
  readonly account: Account | undefined
  readonly funded: number
  readonly payments: ReadonlyMap<string, Payment>
  readonly requests: ReadonlyArray<PaymentRequest>
  readonly results: ReadonlyArray<PaymentResult>
  readonly dead: ReadonlyArray<PaymentRequest | PaymentResult>
  readonly budget: Budget
}

/** A step of somebody, with a word for the story. */
export interface Step {
  readonly told: string
  readonly after: World
}

const userId = "u"

/** What every order costs. */
export const price = 5

/** Nothing has happened yet. */
export const beginning = (options: {
  readonly orders: ReadonlyArray<string>
  /** Undefined: the user has no account. */
  readonly balance: number | undefined
  readonly budget: Budget
}): World => ({
  orders: new Map(),
  unplaced: options.orders,
  account: options.balance === undefined ? undefined : { userId, balance: options.balance, version: 1 },
  funded: options.balance ?? 0,
  payments: new Map(),
  requests: [],
  results: [],
  dead: [],
  budget: options.budget,
})

/** A broken promise, in a sentence. */
export class Violation extends Error {}

const isRequest = (message: PaymentRequest | PaymentResult): message is PaymentRequest =>
  message._tag === "PaymentRequested" ||
  message._tag === "PaymentCancellationRequested" ||
  message._tag === "RefundRequested"

const described = (message: PaymentRequest | PaymentResult) =>
  `${message._tag}${"reason" in message ? ` (${message.reason})` : ""} of ${message.orderId}`

const without = <A>(messages: ReadonlyArray<A>, index: number) => messages.filter((_, at) => at !== index)

/** Each different message once: two copies of one lead to the same worlds. */
const distinct = <A>(messages: ReadonlyArray<A>): ReadonlyArray<readonly [A, number]> => {
  const seen = new Set<string>()
  return messages.flatMap((message, index): ReadonlyArray<readonly [A, number]> => {
    const key = JSON.stringify(message)
    if (seen.has(key)) return []
    seen.add(key)
    return [[message, index]]
  })
}

const spend = (world: World, what: keyof Budget): World => ({
  ...world,
  budget: { ...world.budget, [what]: world.budget[what] - 1 },
})

/** The payment service gives one message its effect. */
const hearRequest = (world: World, request: PaymentRequest, decide: Rules["settle"]): World => {
  const accounts = new Map(world.account === undefined ? [] : [[userId, world.account]])
  const settlement = decide({ accounts, payments: world.payments }, [request])
  const [impossible] = settlement.impossible
  if (impossible !== undefined)
    throw new Violation(`${described(request)} was taken for impossible: ${impossible.reason}`)
  const payments = new Map(world.payments)
  for (const { after } of settlement.payments) payments.set(after.orderId, after)
  const moved = settlement.accounts[0]
  if (settlement.transfers.length !== (moved === undefined ? 0 : moved.after.version - moved.before.version)) {
    throw new Violation("an account's version does not count its transfers")
  }
  return {
    ...world,
    payments,
    account: moved === undefined ? world.account : moved.after,
    results: [...world.results, ...settlement.results],
  }
}

const lawful: Readonly<Record<OrderState["status"], ReadonlyArray<OrderState["status"]>>> = {
  NEW: ["FINISHED", "CANCELLED"],
  FINISHED: ["REFUNDED"],
  CANCELLED: [],
  REFUNDED: [],
}

/** The order service gives one message its effect. */
const hearResult = (world: World, result: PaymentResult, decide: Rules["settleResults"]): World => {
  const settlement = decide(world.orders, [result])
  const [impossible] = settlement.impossible
  if (impossible !== undefined)
    throw new Violation(`${described(result)} was taken for impossible: ${impossible.reason}`)
  const orders = new Map(world.orders)
  for (const { before, after } of settlement.orders) {
    if (!lawful[before.status].includes(after.status)) {
      throw new Violation(`${after.id} went from ${before.status} to ${after.status}`)
    }
    orders.set(after.id, after)
  }
  return { ...world, orders }
}

const asked = (world: World, order: OrderState, asking: Asking): World | undefined =>
  asking._tag !== "Asked"
    ? undefined
    : {
        ...world,
        orders: new Map(world.orders).set(order.id, asking.after),
        requests: [...world.requests, asking.request],
      }

/** Everything that can happen next. */
export const next = (world: World, { settle, settleResults, ...ask }: Rules): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  const step = (told: string, after: World | undefined) => {
    if (after !== undefined) steps.push({ told, after })
  }
  const { budget } = world

  for (const id of world.unplaced) {
    const placed: OrderState = {
      id,
      userId,
      amount: price,
      status: "NEW",
      reason: null,
      version: 1,
      cancellationAsked: false,
      cancelReason: null,
      refundAsked: false,
    }
    step(`the user places ${id}`, {
      ...world,
      unplaced: world.unplaced.filter((other) => other !== id),
      orders: new Map(world.orders).set(id, placed),
      requests: [...world.requests, ask.askPayment(placed)],
    })
  }
  for (const order of world.orders.values()) {
    if (budget.cancellations > 0) {
      const after = asked(spend(world, "cancellations"), order, ask.askCancellation(order, "CancelledByUser"))
      step(`the user cancels ${order.id}`, after)
    }
    if (budget.refunds > 0) {
      step(`the user wants ${order.id} refunded`, asked(spend(world, "refunds"), order, ask.askRefund(order)))
    }
    if (budget.asksAgain > 0) {
      step(`${order.id} has waited too long`, asked(spend(world, "asksAgain"), order, ask.askAgain(order)))
    }
  }
  if (budget.topUps > 0) step("the user tops up", topUp(spend(world, "topUps")))
  for (const [request, index] of distinct(world.requests)) {
    const left = { ...world, requests: without(world.requests, index) }
    step(`payment hears ${described(request)}`, hearRequest(left, request, settle))
    if (budget.duplicates > 0) {
      step(
        `payment hears ${described(request)}, which will come again`,
        hearRequest(spend(world, "duplicates"), request, settle),
      )
    }
    if (budget.deadLetters > 0) {
      step(`${described(request)} becomes a dead letter`, {
        ...spend(left, "deadLetters"),
        dead: [...world.dead, request],
      })
    }
  }
  for (const [result, index] of distinct(world.results)) {
    const left = { ...world, results: without(world.results, index) }
    step(`order hears ${described(result)}`, hearResult(left, result, settleResults))
    if (budget.duplicates > 0) {
      step(
        `order hears ${described(result)}, which will come again`,
        hearResult(spend(world, "duplicates"), result, settleResults),
      )
    }
    if (budget.deadLetters > 0) {
      step(`${described(result)} becomes a dead letter`, {
        ...spend(left, "deadLetters"),
        dead: [...world.dead, result],
      })
    }
  }
  for (const [message, index] of distinct(world.dead)) {
    step(`the dead letter ${described(message)} is replayed`, replay(world, index))
  }
  return steps
}

const topUp = (world: World): World => {
  const before = world.account ?? { userId, balance: 0, version: 0 }
  return {
    ...world,
    account: { ...before, balance: before.balance + price, version: before.version + 1 },
    funded: world.funded + price,
  }
}

/** A message that was set aside is on the wire again. */
export const replay = (world: World, index: number): World => {
  const message = world.dead[index]
  if (message === undefined) return world
  const left = { ...world, dead: without(world.dead, index) }
  return isRequest(message)
    ? { ...left, requests: [...world.requests, message] }
    : { ...left, results: [...world.results, message] }
}

/** Lets everything that is under way arrive, one after the other, and every order that waits ask again, until nothing is left to say. */
export const calm = (world: World, { settle, settleResults, ...ask }: Rules): World => {
  let now = world
  for (let round = 0; round < 5; round++) {
    while (now.requests.length > 0 || now.results.length > 0) {
      const [request] = now.requests
      const [result] = now.results
      if (request !== undefined) now = hearRequest({ ...now, requests: now.requests.slice(1) }, request, settle)
      else if (result !== undefined) now = hearResult({ ...now, results: now.results.slice(1) }, result, settleResults)
    }
    for (const order of now.orders.values()) now = asked(now, order, ask.askAgain(order)) ?? now
    if (now.requests.length === 0) return now
  }
  return now
}

/** The same worlds have the same text, whatever the order of their messages. */
export const identity = (world: World): string =>
  JSON.stringify([
    [...world.orders.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    world.account,
    world.funded,
    [...world.payments.values()].sort((a, b) => (a.orderId < b.orderId ? -1 : 1)),
    world.requests.map((message) => JSON.stringify(message)).sort(),
    world.results.map((message) => JSON.stringify(message)).sort(),
    world.dead.map((message) => JSON.stringify(message)).sort(),
    world.budget,
  ])
