import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { startKafka } from "@tandem/dev-stack/Kafka"
import { freePort } from "@tandem/dev-stack/Processes"
import { type Service, type ServiceName, startService } from "@tandem/dev-stack/Services"
import { jarsDirectory } from "@tandem/dev-stack/StateDirectory"
import kafkajs from "kafkajs"
import { Pool } from "undici"
import { closedLoop } from "../ClosedLoop.js"
import { query } from "../query.js"
import { messagingSchema, orderSchema, paymentSchema } from "./Schema.js"

const [users, partitions] = [500, 8]
const topics = { REQUESTS: "bare-requests", RESULTS: "bare-results" }

/** The bare flow, running. */
export interface BareFlow {
  readonly orderUrl: string
  readonly ordersDatabase: string
  /** A user who can pay, for each number from 0 on; they take turns. */
  readonly user: (number: number) => string
  readonly stop: () => Promise<void>
}

/**
 * The same flow without Effect and without what makes it safe: two processes of bare Node with `node:http`, `pg`, `ws` and kafkajs, shared
 * inserts, outbox, relay, inbox, ledger, notifications and frames on tables without checks; no retries, no leases, no history guards, no
 * offsets stored, no resuming. The yardstick of the whole system.
 */
export const startBareFlow = async (): Promise<BareFlow> => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(directory, 0o755)
  const postgres = await startPostgres({ directory: join(directory, "postgres"), fresh: true })
  const kafka = await startKafka({ directory: join(directory, "kafka"), jars: jarsDirectory })
  const services: Array<Service> = []
  const stop = async () => {
    await Promise.all(services.map((service) => service.stop()))
    await Promise.all([postgres.stop(), kafka.stop()])
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const urls = { order: await postgres.ensureDatabase("orders"), payment: await postgres.ensureDatabase("payments") }
    await query(urls.order, orderSchema + messagingSchema)
    await query(urls.payment, paymentSchema + messagingSchema)
    await query(
      urls.payment,
      `INSERT INTO accounts SELECT 'bench-' || n, 1000000000, 1 FROM generate_series(0, ${users - 1}) AS n`,
    )
    await createTopics(kafka.brokers)
    const start = async (service: ServiceName, program: string) => {
      const started = startService({
        service,
        name: program,
        port: await freePort(),
        env: { DATABASE_URL: urls[service], KAFKA: kafka.brokers, ...topics },
        pidFile: join(directory, `${program}.pid`),
        onLine: () => undefined,
        onGivenUp: (fault) => console.error(fault.message),
        program: fileURLToPath(new URL(`./${program}.js`, import.meta.url)),
      })
      services.push(started)
      await started.started
      return started.url
    }
    await start("payment", "barePayment")
    const orderUrl = await start("order", "bareOrder")
    return { orderUrl, ordersDatabase: urls.order, user: (number) => `bench-${number % users}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** How wide and how long. */
interface Load {
  readonly clients: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

/** Orders that the bare flow settles a second. */
export const bareFlow = async (load: Load): Promise<number> => {
  const flow = await startBareFlow()
  try {
    return await measure(flow, load)
  } finally {
    await flow.stop()
  }
}

const createTopics = async (brokers: string) => {
  const admin = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createTopics({
    waitForLeaders: true,
    topics: Object.values(topics).map((topic) => ({ topic, numPartitions: partitions })),
  })
  await admin.disconnect()
}

const measure = async ({ orderUrl, ordersDatabase, user }: BareFlow, { clients, warmUpSeconds, seconds }: Load) => {
  const pool = new Pool(orderUrl, { connections: clients, pipelining: 1 })
  const settled = async () => {
    const { rows } = await query(ordersDatabase, "SELECT count(*) AS n FROM orders WHERE status <> 'NEW'")
    return Number(rows[0]?.n)
  }
  const operation = async (client: number, sequence: number) => {
    const path = `/orders?userId=${user(client * 7 + sequence)}&amount=1`
    const { statusCode, body } = await pool.request({ method: "POST", path })
    await body.dump()
    if (statusCode !== 201) throw new Error(`${path}: ${statusCode}`)
  }
  try {
    await closedLoop({ clients, seconds: warmUpSeconds, operation })
    const before = await settled()
    const started = performance.now()
    const loop = await closedLoop({ clients, seconds, operation })
    const after = await settled()
    if (loop.failed > 0) throw new Error(`${loop.failed} requests of the bare flow failed`)
    return (after - before) / ((performance.now() - started) / 1_000)
  } finally {
    await pool.destroy()
  }
}
