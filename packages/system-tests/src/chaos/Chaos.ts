import { setTimeout as delay } from "node:timers/promises"
import pg from "pg"
import { eventually } from "../Client.js"
import { seeded } from "../Seeded.js"
import { ensureTopic } from "./ensureTopic.js"
import { type Supervised, supervise } from "./Processes.js"
import { runWriters } from "./Writers.js"

/** How large a chaos is, and where. */
export interface ChaosOptions {
  /** The same seed gives the same faults at the same moments; what they meet depends on the machine. */
  readonly seed: number
  readonly messages: number
  readonly faults: number
  /** A database of the writers' and relays' own, one of the consumers', and the broker. */
  readonly producerUrl: string
  readonly consumerUrl: string
  readonly brokerUrl: string
  readonly say?: (line: string) => void
}

/** What came of it. */
export interface ChaosResult {
  readonly injected: Readonly<Record<string, number>>
  readonly messages: number
  /** Deliveries that the inboxes dropped are not counted here: these are effects that happened twice, never, or out of order. */
  readonly doubled: number
  readonly missing: number
  readonly outOfOrder: number
  readonly leftInOutbox: number
  readonly deadLetters: number
}

const relays = 2
const consumers = 3
const keys = 200

/** Between two faults, in ms, on average. */
const pace = 1_500

/** Between two faults of relays, in ms: longer than a lease, or nothing would flow that a fault could hit. */
const relayPause = 5_000

const query = async (url: string, text: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

const number = async (url: string, text: string): Promise<number> => Number((await query(url, text))[0]?.["n"])

/** kill -9, and stops that are shorter and longer than leases, transaction timeouts and the broker's sessions; some of them end in death. */
const injectFaults = async (processes: ReadonlyArray<Supervised>, { seed, faults }: ChaosOptions) => {
  const random = seeded(seed)
  const injected: Record<string, number> = {}
  const stopped: Array<Promise<void>> = []
  const frozen = new Set<Supervised>()
  let lastRelayFault = performance.now()
  for (let fault = 0; fault < faults; fault++) {
    await delay(pace * (0.4 + 1.2 * random()))
    const relayIsDue = performance.now() - lastRelayFault > relayPause
    const wanted = random() < 0.7 && relayIsDue ? "relay" : "consumer"
    if (wanted === "relay") lastRelayFault = performance.now()
    const awake = processes.filter((one) => one.name.startsWith(wanted) && !frozen.has(one))
    const [target, kind, length, deadly] = [
      awake[Math.floor(random() * awake.length)],
      random(),
      random(),
      random() < 0.3,
    ]
    if (target === undefined) continue
    const role = target.name.replace(/-\d+$/, "")
    const count = (what: string) => {
      injected[`${role} ${what}`] = (injected[`${role} ${what}`] ?? 0) + 1
    }
    if (kind < 0.5 || frozen.size >= 3) {
      target.signal("SIGKILL")
      count("SIGKILL")
      continue
    }
    const ms = length < 0.3 ? 300 + length * 2_000 : length < 0.8 ? 4_000 + length * 2_000 : 13_000
    target.signal("SIGSTOP")
    frozen.add(target)
    count(`SIGSTOP ${ms < 1_000 ? "under 1 s" : ms < 10_000 ? "4–6 s" : "13 s"}`)
    stopped.push(
      delay(ms).then(() => {
        target.signal(deadly ? "SIGKILL" : "SIGCONT")
        frozen.delete(target)
      }),
    )
  }
  await Promise.all(stopped)
  return injected
}

/**
 * Two relays and three consumers of a group as processes, killed and stopped at random while messages flow; then, once it is quiet, whether
 * each message had its effect once, in the order of its key, and nothing was left behind.
 */
export const runChaos = async (options: ChaosOptions): Promise<ChaosResult> => {
  const { producerUrl, consumerUrl, brokerUrl, say = () => undefined } = options
  const topic = `chaos-${process.pid}-${Date.now().toString(36)}`
  const told = (url: string) => ({ DATABASE_URL: url, BROKER_URL: brokerUrl, TOPIC: topic })
  await ensureTopic(brokerUrl, topic)
  const processes = [
    ...Array.from({ length: relays }, (_, n) => supervise("relay", `relay-${n}`, told(producerUrl), say)),
    ...Array.from({ length: consumers }, (_, n) => supervise("consumer", `consumer-${n}`, told(consumerUrl), say)),
  ]
  try {
    const writing = runWriters({ ...options, url: producerUrl, topic, keys, duration: options.faults * pace })
    const [injected] = await Promise.all([injectFaults(processes, options), writing])
    const messages = await number(producerUrl, "SELECT coalesce(sum(n), 0) AS n FROM counters")
    await eventually(
      "the outbox to be empty",
      async () => (await number(producerUrl, "SELECT count(*) AS n FROM outbox_events")) === 0 || undefined,
      60,
    ).catch(() => undefined)
    await eventually(
      "every message to have had its effect",
      async () =>
        (await number(consumerUrl, "SELECT count(DISTINCT (key, n)) AS n FROM effects")) >= messages || undefined,
      60,
    ).catch(() => undefined)
    // Whatever would be delivered once more has time to be.
    await delay(2_000)
    return { injected, messages, ...(await verdict(producerUrl, consumerUrl, messages)) }
  } finally {
    await Promise.all(processes.map((one) => one.end()))
  }
}

const verdict = async (producerUrl: string, consumerUrl: string, messages: number) => {
  const distinct = await number(consumerUrl, "SELECT count(DISTINCT (key, n)) AS n FROM effects")
  return {
    doubled: (await number(consumerUrl, "SELECT count(*) AS n FROM effects")) - distinct,
    missing: messages - distinct,
    outOfOrder: await number(
      consumerUrl,
      `SELECT count(*) AS n FROM (
         SELECT n, lag(n, 1, 0) OVER (PARTITION BY key ORDER BY id) AS before FROM effects
       ) AS step WHERE n <> before + 1`,
    ),
    leftInOutbox: await number(producerUrl, "SELECT count(*) AS n FROM outbox_events"),
    deadLetters: await number(consumerUrl, "SELECT count(*) AS n FROM dead_letters"),
  }
}
