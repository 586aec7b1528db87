import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { type Answer, call } from "../Client.js"
import { seeded } from "../Seeded.js"
import type { FaultySystem } from "./System.js"

/** What the clients know to be true, from the answers that they got. */
export interface Book {
  /** Accepted orders by id. */
  readonly orders: Map<string, { readonly userId: string; readonly amount: number }>
  /** What each user's account was topped up with. */
  readonly funded: Map<string, number>
  /** How often each command got each status at last. */
  readonly answers: Record<string, number>
  /** Attempts that had no answer, or one that says to try again. */
  retries: number
  /** Answers that no service may give. */
  readonly wrong: Array<string>
}

/** An empty book. */
export const openBook = (): Book => ({ orders: new Map(), funded: new Map(), answers: {}, retries: 0, wrong: [] })

/** What a command may be answered with in the end. */
const expected: ReadonlySet<string> = new Set([
  "order 201",
  "topup 200",
  "topup 201",
  "cancel 202",
  "cancel 409",
  "refund 202",
  "refund 409",
  "read 200",
  "list 200",
])

/** An attempt that takes longer is given up and made again, with the same key: its outcome is unknown. */
const attemptTimeout = 6_000

const tryAgain = ({ status, body }: Answer): boolean =>
  status === 503 || (status === 409 && body["type"] === "urn:tandem:problem:request-in-flight")

/** So many wrong answers are enough to read. */
const enoughWrong = 20

/** How a wave of clients behaves. */
export interface WaveOptions {
  readonly seed: number
  readonly clients: number
  readonly users: number
  /** Told before each command; it ends when this says no. */
  readonly goOn: () => boolean
}

/**
 * Clients that top up, order, cancel, refund and look, each one command after the other, and never give one up: whatever has no answer is
 * sent again, with its Idempotency-Key, to any instance. Done when all of them have ended; from then on the book is exact.
 */
export const runWave = async (system: FaultySystem, book: Book, options: WaveOptions): Promise<void> => {
  const { seed, clients, users, goOn } = options
  const recent: Array<string> = []

  const insist = async (
    random: () => number,
    name: string,
    method: "GET" | "POST",
    service: "order" | "payment",
    path: string,
  ): Promise<Answer> => {
    const instances = system.instances.filter((one) => one.service === service)
    const headers = method === "POST" ? { "idempotency-key": randomUUID() } : {}
    for (let attempt = 0; ; attempt++) {
      const { url } = instances[Math.floor(random() * instances.length)] ?? { url: "" }
      const answer = await call(method, `${url}${path}`, undefined, headers, attemptTimeout).catch(() => undefined)
      if (answer !== undefined && !tryAgain(answer)) {
        const key = `${name} ${answer.status}`
        book.answers[key] = (book.answers[key] ?? 0) + 1
        if (expected.has(key)) return answer
        if (book.wrong.length < enoughWrong) book.wrong.push(`${method} ${path}: ${key} ${JSON.stringify(answer.body)}`)
        if (answer.status < 500) return answer
      }
      book.retries++
      await delay(50 + random() * Math.min(1_000, 50 * 2 ** attempt))
    }
  }

  const client = async (number: number) => {
    const random = seeded(seed * 1_000 + number)
    const user = () => `user-${Math.floor(random() * users)}`
    const someOrder = () => recent[recent.length - 1 - Math.floor(random() ** 2 * Math.min(recent.length, 300))]
    while (goOn()) {
      const choice = random()
      const known = someOrder()
      if (choice < 0.6 || known === undefined) {
        const [userId, amount] = [user(), 1 + Math.floor(random() * 100)]
        const { status, body } = await insist(
          random,
          "order",
          "POST",
          "order",
          `/orders?userId=${userId}&amount=${amount}`,
        )
        if (status !== 201) continue
        const id = String(body["id"])
        book.orders.set(id, { userId, amount })
        recent.push(id)
        if (recent.length > 1_000) recent.splice(0, 500)
      } else if (choice < 0.72) {
        const [userId, amount] = [user(), 1 + Math.floor(random() * 400)]
        const { status } = await insist(
          random,
          "topup",
          "POST",
          "payment",
          `/accounts?userId=${userId}&amount=${amount}`,
        )
        if (status < 300) book.funded.set(userId, (book.funded.get(userId) ?? 0) + amount)
      } else if (choice < 0.8) {
        await insist(random, "cancel", "POST", "order", `/orders/${known}/cancel`)
      } else if (choice < 0.88) {
        await insist(random, "refund", "POST", "order", `/orders/${known}/refund`)
      } else if (choice < 0.95) {
        // What was accepted is there, whoever is asked.
        const { body } = await insist(random, "read", "GET", "order", `/orders/${known}`)
        if (body["id"] !== known) book.wrong.push(`GET /orders/${known} answered ${JSON.stringify(body)}`)
      } else {
        await insist(random, "list", "GET", "order", `/orders?userId=${user()}&limit=20`)
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
}
