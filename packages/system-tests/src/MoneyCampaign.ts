import type { Stack } from "@tandem/dev-stack/Stack"
import pg from "pg"
import { type Answer, call, eventually } from "./Client.js"
import { startDuplicator } from "./Duplicator.js"
import { type Reconciliation, reconcile } from "./Reconcile.js"
import { seeded } from "./Seeded.js"

/** How large a campaign is. */
export interface CampaignOptions {
  /** The same seed gives every client the same commands; what they meet depends on the machine. */
  readonly seed: number
  readonly operations: number
  readonly clients: number
  readonly users: number
  /** How often each service is killed with SIGKILL along the way. */
  readonly kills: number
  /** `PAYMENT_TIMEOUT` as the services have it, as Effect reads a duration. */
  readonly paymentTimeout: string
}

/** What a campaign came to. */
export interface CampaignResult {
  /** How often each command got each status. */
  readonly answers: Readonly<Record<string, number>>
  /** Commands that failed on the way, most of them at a service that was just killed: nobody knows whether they had their effect. */
  readonly lost: number
  /** Messages that were put on the broker a second time. */
  readonly copies: number
  readonly accepted: number
  /** Of the accepted orders, those that are in the database. */
  readonly kept: number
  /** How many orders ended how. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly reconciliation: Reconciliation
}

const query = async (url: string, text: string, values: ReadonlyArray<unknown> = []) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, string>>(text, [...values])).rows
  } finally {
    await client.end()
  }
}

type Operation = "order" | "topup" | "cancel" | "refund" | "again"

const pickOperation = (random: number): Operation => {
  if (random < 0.45) return "order"
  if (random < 0.6) return "topup"
  if (random < 0.75) return "cancel"
  if (random < 0.9) return "refund"
  return "again"
}

/** What a healthy service may answer. Everything else, above all a 5xx that is not 503, is for the caller to complain about. */
export const expectedAnswers: ReadonlySet<string> = new Set([
  "order 201",
  "topup 200",
  "topup 201",
  "cancel 202",
  "cancel 409",
  "refund 202",
  "refund 409",
])

/**
 * Random commands from many clients at once, with both services killed along the way and messages doubled on the broker; then waits
 * until every order has its end, and reconciles. A client whose command is lost waits for the services and goes on.
 */
export const runCampaign = async (stack: Stack, options: CampaignOptions): Promise<CampaignResult> => {
  const { seed, operations, clients, users, kills } = options
  const answers: Record<string, number> = {}
  const accepted: Array<string> = []
  let lost = 0
  let started = 0

  const ready = async (url: string) => {
    const { status } = await call("GET", `${url}/health/ready`)
    return status === 200 || undefined
  }
  const send = async (name: Operation, url: string, path: string): Promise<Answer | undefined> => {
    const answer = await call("POST", `${url}${path}`).catch(() => undefined)
    if (answer === undefined || answer.status === 503) {
      lost++
      await eventually("the service to be back", () => ready(url), 60)
      return undefined
    }
    const key = `${name} ${answer.status}`
    answers[key] = (answers[key] ?? 0) + 1
    return answer
  }

  const killAt = new Map<number, "order" | "payment">()
  for (let kill = 0; kill < kills; kill++) {
    killAt.set(Math.floor(((2 * kill + 1) * operations) / (2 * kills + 1)), "order")
    killAt.set(Math.floor(((2 * kill + 2) * operations) / (2 * kills + 1)), "payment")
  }

  const client = async (number: number) => {
    const random = seeded(seed * 1_000 + number)
    const amount = () => 1 + Math.floor(random() * 100)
    const user = () => `user-${Math.floor(random() * users)}`
    // Mostly what has just been ordered, by whomever: that is where commands meet.
    const someOrder = () => accepted[accepted.length - 1 - Math.floor(random() ** 2 * Math.min(accepted.length, 200))]
    let last: { readonly name: "cancel" | "refund"; readonly path: string } | undefined
    while (started < operations) {
      const victim = killAt.get(++started)
      if (victim !== undefined) stack.services[victim].kill9()
      const operation = pickOperation(random())
      const order = someOrder()
      if (operation === "topup") {
        await send("topup", stack.paymentUrl, `/accounts?userId=${user()}&amount=${5 * amount()}`)
      } else if (operation === "again" && last !== undefined) {
        await send(last.name, stack.orderUrl, last.path)
      } else if ((operation === "cancel" || operation === "refund") && order !== undefined) {
        last = { name: operation, path: `/orders/${order}/${operation}` }
        await send(last.name, stack.orderUrl, last.path)
      } else {
        const answer = await send("order", stack.orderUrl, `/orders?userId=${user()}&amount=${amount()}`)
        if (answer?.status === 201) accepted.push(String(answer.body["id"]))
      }
    }
  }

  const duplicator = startDuplicator(stack.brokerUrl, seeded(seed))
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
  await duplicator.stop()

  await eventually(
    "every order to have its end and every message to be sent",
    async () => {
      const [open] = await query(
        stack.databaseUrls.orders,
        `SELECT count(*) AS n FROM orders WHERE status = 'NEW' OR (status = 'FINISHED' AND refund_asked_at IS NOT NULL)`,
      )
      const outboxes = [stack.databaseUrls.orders, stack.databaseUrls.payments].map((url) =>
        query(url, "SELECT count(*) AS n FROM outbox_events"),
      )
      const waiting = (await Promise.all(outboxes)).map(([row]) => row?.["n"])
      return [open?.["n"], ...waiting].every((n) => n === "0") || undefined
    },
    120,
  )
  const reconciliation = await reconcile(
    stack,
    ...["--settle-grace", "0 seconds", "--payment-timeout", options.paymentTimeout, "--recheck-after", "3 seconds"],
  )
  const [kept] = await query(stack.databaseUrls.orders, "SELECT count(*) AS n FROM orders WHERE id = ANY($1::uuid[])", [
    accepted,
  ])
  const outcomes = await query(
    stack.databaseUrls.orders,
    "SELECT concat_ws(' ', status, reason) AS outcome, count(*) AS n FROM orders GROUP BY 1 ORDER BY 1",
  )
  return {
    answers,
    lost,
    copies: duplicator.copies(),
    accepted: accepted.length,
    kept: Number(kept?.["n"]),
    outcomes: Object.fromEntries(outcomes.map((row) => [row["outcome"] ?? "", Number(row["n"])])),
    reconciliation,
  }
}
