import { setTimeout as delay } from "node:timers/promises"
import type { Service } from "@tandem/dev-stack/Services"
import type { Stack } from "@tandem/dev-stack/Stack"
import pg from "pg"
import { call, eventually } from "./Client.js"
import { RestlessClient, type Restlessness } from "./RestlessClient.js"
import { seeded } from "./Seeded.js"

/** How large a campaign is. */
export interface PushCampaignOptions {
  /** The same seed gives the clients the same whims; what they meet depends on the machine. */
  readonly seed: number
  readonly orders: number
  readonly clients: number
  readonly users: number
  /** How often each of the two instances is killed with SIGKILL while orders settle. */
  readonly kills: number
}

/** What a campaign came to. */
export interface PushCampaignResult {
  /** What clients were told that they should not have been; empty when all of it holds. */
  readonly faults: ReadonlyArray<string>
  /** Clients that were not told everything, and what they lack. */
  readonly behind: ReadonlyArray<string>
  /** How often what happened: streams opened by kind, frames told, positions resumed, streams broken by a kill. */
  readonly counts: Readonly<Record<string, number>>
  /** The users' final counters together: every change of every order. */
  readonly notifications: number
  /** Orders that ended, by their end. */
  readonly outcomes: Readonly<Record<string, number>>
}

const posters = 16

/** So many orders are placed a second at most, so that they settle through all the kills. */
const mostOrders = 500

const ready = async (url: string) => (await call("GET", `${url}/health/ready`)).status === 200 || undefined

/** How many faults are worth reading. */
const enoughFaults = 20

/**
 * Restless clients of two instances while orders settle and the instances are killed. Afterwards every client must come to its user's
 * final counter, having been told each number once and in order, and the same as everybody else.
 */
export const runPushCampaign = async (
  stack: Stack,
  second: Service,
  { seed, orders, clients, users, kills }: PushCampaignOptions,
): Promise<PushCampaignResult> => {
  const instances = [stack.services.order, second] as const
  const urls = instances.map(({ url }) => url)
  const counts: Record<string, number> = {}
  const userOf = (number: number) => `user-${number % users}`
  const shared: Omit<Restlessness, "random"> = {
    urls,
    said: new Map(),
    faults: [],
    count: (what) => {
      counts[what] = (counts[what] ?? 0) + 1
    },
  }
  const database = new pg.Client({ connectionString: stack.databaseUrls.orders })
  await database.connect()
  const rows = async (text: string) => (await database.query<Record<string, string>>(text)).rows

  const restless = Array.from({ length: clients }, (_, number) => {
    const random = seeded(seed * 1_000 + number)
    return new RestlessClient(`client ${number}`, userOf(number), { ...shared, random })
  })
  try {
    // Half of what will be ordered, so that some of it is declined.
    const funds = Math.max(1, Math.floor((orders / users) * 25))
    for (let user = 0; user < users; user++) {
      await call("POST", `${stack.paymentUrl}/accounts?userId=${userOf(user)}&amount=${funds}`)
    }
    const running = restless.map((client) => client.run())

    /** One at a time: the next dies when the one before it is back, so that orders settle all the while. */
    let killed = Promise.resolve()
    const kill = (number: number) => {
      const [victim, other] = number % 2 === 0 ? instances : ([second, stack.services.order] as const)
      killed = killed.then(async () => {
        await eventually("the other instance to be back", () => ready(other.url))
        victim.kill9()
      })
    }
    const killAt = new Map(
      Array.from({ length: 2 * kills }, (_, number) => [Math.floor(((number + 1) * orders) / (2 * kills + 1)), number]),
    )
    let placed = 0
    const poster = async (number: number) => {
      const random = seeded(seed * 1_000_000 + number)
      for (let order = ++placed; order <= orders; order = ++placed) {
        const victim = killAt.get(order)
        if (victim !== undefined) kill(victim)
        const path = `/orders?userId=${userOf(Math.floor(random() * users))}&amount=${1 + Math.floor(random() * 100)}`
        await eventually("an instance to take an order", async () => {
          const url = urls[Math.floor(random() * urls.length)] ?? ""
          return (await call("POST", `${url}${path}`)).status === 201 || undefined
        })
        await delay((1_000 * posters) / mostOrders)
      }
    }
    await Promise.all(Array.from({ length: posters }, (_, number) => poster(number)))
    await killed
    await eventually(
      "every order to have its end",
      async () => (await rows("SELECT FROM orders WHERE status = 'NEW' LIMIT 1")).length === 0 || undefined,
      180,
    )

    const counters = new Map(
      (await rows("SELECT user_id, seq FROM notification_counters")).map((row) => [row["user_id"], Number(row["seq"])]),
    )
    const final = ({ userId }: RestlessClient) => counters.get(userId) ?? 0
    const behind = () => restless.filter((client) => client.last < final(client))
    // Who is not told everything within that is told so below.
    await eventually(
      "every client to be told everything",
      async () => behind().length === 0 || shared.faults.length > enoughFaults || undefined,
      120,
    ).catch(() => undefined)
    for (const client of restless) client.stop()
    await Promise.all(running)
    return {
      faults: shared.faults.slice(0, enoughFaults),
      behind: restless
        .filter((client) => client.last !== final(client))
        .map((client) => `${client.name} was told up to ${client.last} of ${final(client)}`),
      counts,
      notifications: [...counters.values()].reduce((sum, seq) => sum + seq, 0),
      outcomes: Object.fromEntries(
        (
          await rows(
            "SELECT concat_ws(' ', status, reason) AS outcome, count(*) AS n FROM orders GROUP BY 1 ORDER BY 1",
          )
        ).map((row) => [row["outcome"] ?? "", Number(row["n"])]),
      ),
    }
  } finally {
    for (const client of restless) client.stop()
    await database.end()
  }
}
