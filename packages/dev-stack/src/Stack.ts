import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, startPostgres } from "./EmbeddedPostgres.js"
import { type Kafka, startKafka } from "./Kafka.js"
import { freePort, identify, Refusal, readPidFile, terminate, writePidFile } from "./Processes.js"
import { type Service, startService } from "./Services.js"
import { jarsDirectory } from "./StateDirectory.js"

/** What to start, and where. */
export interface StackOptions {
  /** The embedded PostgreSQL broker when absent. */
  readonly broker?: "postgres" | "kafka"
  /** `host:port,…` of a Kafka that runs already, instead of one of our own. */
  readonly kafkaBrokers?: string
  /** Where data and pid files live; a folder of its own that is removed at the end when absent. */
  readonly state?: string
  /** Begin with no data. */
  readonly fresh?: boolean
  /** Free ones when absent. */
  readonly orderPort?: number
  readonly paymentPort?: number
  readonly postgresPort?: number
  /** False trades the data's safety in a power cut for speed, for tests; true when absent. */
  readonly durable?: boolean
  /** Every line of every process; `source` is `order`, `payment`, `postgres` or `kafka`. */
  readonly onLine?: (source: string, line: string) => void
  /** Something that everything depends on ended by itself. */
  readonly onFailure?: (fault: Refusal) => void
}

/** A running system. */
export interface Stack {
  readonly orderUrl: string
  readonly paymentUrl: string
  readonly databaseUrls: { readonly orders: string; readonly payments: string; readonly broker: string }
  /** As `BROKER_URL` wants it. */
  readonly brokerUrl: string
  readonly services: { readonly order: Service; readonly payment: Service }
  readonly postgres: EmbeddedPostgres
  /** The last lines of all processes, for a report of what went wrong. */
  readonly log: ReadonlyArray<string>
  /** Ends everything in order: services, Kafka, PostgreSQL. */
  readonly stop: () => Promise<void>
}

const pidFile = (state: string, name: string) => join(state, "pids", name)

/** Remembers a process, so that a start after a kill -9 of this one finds it. */
const remember = (state: string, name: string, pid: number) => {
  const identity = identify(pid)
  if (identity !== undefined) writePidFile(pidFile(state, name), identity)
}

/** Ends what an earlier stack with the same state left behind: the services first. PostgreSQL finds its own leftover. */
const endLeftovers = async (state: string): Promise<void> => {
  await Promise.all(
    ["order", "payment"].map(async (name) => {
      const left = readPidFile(pidFile(state, name))
      if (left !== undefined) await terminate(left, [["SIGTERM", 12_000]])
    }),
  )
  const kafka = readPidFile(pidFile(state, "kafka"))
  if (kafka !== undefined) await terminate(kafka, [["SIGTERM", 15_000]])
}

/** Starts PostgreSQL, Kafka when asked, and both services; ready when both have said `Started App`. */
export const startStack = async (options: StackOptions = {}): Promise<Stack> => {
  const temporary = options.state === undefined
  const state = options.state ?? mkdtempSync(join(tmpdir(), "tandem-stack-"))
  mkdirSync(state, { recursive: true })
  if (temporary) chmodSync(state, 0o755)
  const log: Array<string> = []
  const say = (source: string) => (line: string) => {
    log.push(`[${source}] ${line}`)
    if (log.length > 2_000) log.splice(0, 1_000)
    options.onLine?.(source, line)
  }
  await endLeftovers(state)
  if (options.fresh) rmSync(join(state, "kafka"), { recursive: true, force: true })

  let stopping = false
  const running: Array<() => Promise<void>> = []
  const stop = async () => {
    stopping = true
    for (const part of running.splice(0).reverse()) await part()
    if (temporary) rmSync(state, { recursive: true, force: true })
  }
  const fail = (fault: Refusal) => {
    if (!stopping) options.onFailure?.(fault)
  }

  try {
    const kafkaWanted = options.broker === "kafka" && options.kafkaBrokers === undefined
    const [{ server: postgres, databaseUrls }, kafka] = await both(
      startDatabases(state, options),
      kafkaWanted ? startBroker(state, say("kafka")) : Promise.resolve(undefined),
      ({ server }) => running.push(server.stop),
      (broker) => broker !== undefined && running.push(broker.stop),
    )
    void postgres.ended.then(() => fail(new Refusal("PostgreSQL ended by itself")))
    void kafka?.ended.then(() => fail(new Refusal("Kafka ended by itself")))

    const orderPort = options.orderPort ?? (await freePort())
    const paymentPort = options.paymentPort ?? (await freePort())
    const brokers = options.kafkaBrokers ?? kafka?.brokers
    const brokerUrl =
      brokers === undefined
        ? databaseUrls.broker
        : brokers
            .split(",")
            .map((broker, index) => (index === 0 ? `kafka://${broker}` : broker))
            .join(",")
    const origins = [`http://127.0.0.1:${orderPort}`, `http://localhost:${orderPort}`].join(",")
    const shared = {
      BROKER_URL: brokerUrl,
      CORS_ORIGINS: origins,
      PAYMENT_PUBLIC_URL: `http://127.0.0.1:${paymentPort}`,
    }
    const start = (service: "order" | "payment", port: number, database: string) => {
      const started = startService({
        service,
        name: service,
        port,
        env: { ...shared, DATABASE_URL: database },
        pidFile: pidFile(state, service),
        onLine: say(service),
        onGivenUp: fail,
      })
      running.push(() => started.stop())
      return started
    }
    const order = start("order", orderPort, databaseUrls.orders)
    const payment = start("payment", paymentPort, databaseUrls.payments)
    await Promise.all([order.started, payment.started])
    return {
      orderUrl: order.url,
      paymentUrl: payment.url,
      databaseUrls,
      brokerUrl,
      services: { order, payment },
      postgres,
      log,
      stop,
    }
  } catch (error) {
    await stop()
    if (error instanceof Refusal || options.onLine !== undefined) throw error
    throw new Error(`the stack did not start:\n${log.slice(-40).join("\n")}`, { cause: error })
  }
}

/** Waits for both even when one fails, so that the other can be stopped. */
const both = async <A, B>(
  first: Promise<A>,
  second: Promise<B>,
  onFirst: (a: A) => unknown,
  onSecond: (b: B) => unknown,
): Promise<readonly [A, B]> => {
  const [a, b] = await Promise.allSettled([first, second])
  if (a.status === "fulfilled") onFirst(a.value)
  if (b.status === "fulfilled") onSecond(b.value)
  if (a.status === "rejected") throw a.reason
  if (b.status === "rejected") throw b.reason
  return [a.value, b.value]
}

const startDatabases = async (state: string, options: StackOptions) => {
  const server = await startPostgres({
    directory: join(state, "postgres"),
    fresh: options.fresh ?? false,
    ...(options.postgresPort === undefined ? {} : { port: options.postgresPort }),
    ...(options.durable === undefined ? {} : { durable: options.durable }),
  })
  const databaseUrls = {
    orders: await server.createDatabase("orders"),
    payments: await server.createDatabase("payments"),
    broker: await server.createDatabase("broker"),
  }
  return { server, databaseUrls }
}

const startBroker = async (state: string, onLine: (line: string) => void): Promise<Kafka> => {
  const kafka = await startKafka({ directory: join(state, "kafka"), jars: jarsDirectory, onLine })
  remember(state, "kafka", kafka.pid)
  return kafka
}
