import type { OrderState } from "@tandem/order-service/domain/OrderSaga"
import type { Payment } from "@tandem/payment-service/domain/PaymentSaga"
import { calm, identity, next, price, type Rules, replay, Violation, type World } from "./Saga.js"

/** What an exploration came to. */
export interface Exploration {
  /** Different worlds that were reached. */
  readonly worlds: number
  /** The shortest way to a broken promise, told step by step, its last line the promise; undefined when none was broken. */
  readonly story: ReadonlyArray<string> | undefined
}

/** What holds in every world, whatever is under way. */
const check = (world: World) => {
  const balance = world.account?.balance ?? 0
  const kept = [...world.payments.values()].filter(({ status }) => status === "SUCCEEDED").length
  if (balance < 0) throw new Violation("the balance is negative")
  if (balance + kept * price !== world.funded) throw new Violation("money was made or lost")
  for (const order of world.orders.values()) {
    if ((order.reason === null) !== (order.status === "NEW" || order.status === "FINISHED")) {
      throw new Violation(`${order.id} is ${order.status} with the reason ${order.reason}`)
    }
    if (order.cancellationAsked && order.status !== "NEW" && order.status !== "CANCELLED") {
      throw new Violation(`${order.id} was to be cancelled and is ${order.status}`)
    }
  }
}

const agreeing: Readonly<Record<OrderState["status"], ReadonlyArray<Payment["status"]>>> = {
  NEW: [],
  FINISHED: ["SUCCEEDED"],
  CANCELLED: ["DECLINED", "CANCELLED", "REFUNDED"],
  REFUNDED: ["REFUNDED"],
}

/** What holds once nothing is under way any more. */
const checkEnd = (world: World) => {
  check(world)
  for (const order of world.orders.values()) {
    const payment = world.payments.get(order.id)?.status
    if (order.status === "NEW") throw new Violation(`${order.id} never gets an answer`)
    if (order.status === "FINISHED" && order.refundAsked) throw new Violation(`${order.id} never gets its refund`)
    if (payment === undefined || !agreeing[order.status].includes(payment)) {
      throw new Violation(`${order.id} ends ${order.status}, and its payment ${payment ?? "was never decided"}`)
    }
  }
}

/** From here on nothing goes wrong any more: dead letters come back, or never do, or only after everything has ended. */
const checkEnds = (world: World, rules: Rules) => {
  const ended = calm(world, rules)
  checkEnd(ended)
  if (world.dead.length === 0) return
  const late = calm(replayAll(ended), rules)
  checkEnd(late)
  for (const [id, { status }] of ended.orders) {
    if (late.orders.get(id)?.status !== status) throw new Violation(`a replay changed ${id}, which had ended ${status}`)
  }
  checkEnd(calm(replayAll(world), rules))
}

const replayAll = (world: World): World => {
  let now = world
  while (now.dead.length > 0) now = replay(now, 0)
  return now
}

interface Visited {
  readonly world: World
  readonly told: string
  readonly from: Visited | undefined
}

const story = (visited: Visited, end: string): ReadonlyArray<string> => {
  const lines = [end]
  for (let at: Visited | undefined = visited; at?.from !== undefined; at = at.from) lines.unshift(at.told)
  return lines
}

/** Every world that can be reached from this one, the nearest first; ends at the first that breaks a promise. */
export const explore = (start: World, rules: Rules): Exploration => {
  const known = new Set([identity(start)])
  const queue: Array<Visited> = [{ world: start, told: "", from: undefined }]
  for (let at = 0; at < queue.length; at++) {
    const visited = queue[at]
    if (visited === undefined) break
    try {
      check(visited.world)
      checkEnds(visited.world, rules)
      for (const { told, after } of next(visited.world, rules)) {
        const text = identity(after)
        if (known.has(text)) continue
        known.add(text)
        queue.push({ world: after, told, from: visited })
      }
    } catch (fault) {
      if (fault instanceof Violation) return { worlds: known.size, story: story(visited, fault.message) }
      throw fault
    }
  }
  return { worlds: known.size, story: undefined }
}
