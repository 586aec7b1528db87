import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, startPostgres } from "./EmbeddedPostgres.js"
import { type Kafka, kafkaAnswers, startKafka } from "./Kafka.js"
import { claimState, endLeftovers, kafkaDirectory, pidFile, remember } from "./Leftovers.js"
import { type LocalIssuer, startIssuer } from "./LocalIssuer.js"
import { freePort, isPortFree, Refusal } from "./Processes.js"
import { type Service, type ServiceName, startService } from "./Services.js"
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
  /** Both services ask who calls, and believe the tokens of an issuer of ours; false when absent. */
  readonly auth?: boolean
  /** More environment for both services, such as `PAYMENT_TIMEOUT`. */
  readonly env?: Readonly<Record<string, string>>
  /** What Node runs as the services; what the packages were built to when absent. */
  readonly programs?: Readonly<Record<ServiceName, string>>
  /** Every line of every process; `source` is `order`, `payment`, a further instance's name, or `kafka`. */
  readonly onLine?: (source: string, line: string) => void
  /** Something that everything depends on ended by itself. */
  readonly onFailure?: (fault: Refusal) => void
  /** Aborting it while the stack starts ends what was started; `startStack` then rejects. */
  readonly signal?: AbortSignal
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
  /** Our own Kafka, when there is one. */
  readonly kafka: Kafka | undefined
  /** Who makes tokens, when the services ask for them. */
  readonly issuer: LocalIssuer | undefined
  /** Starts one more process of a service on a free port, with the same databases; done when it is ready. */
  readonly addInstance: (service: ServiceName) => Promise<Service>
  /** The last lines of all processes, for a report of what went wrong. */
  readonly log: ReadonlyArray<string>
  /** Ends everything in order: services, Kafka, PostgreSQL. */
  readonly stop: () => Promise<void>
}

const checkPorts = async (options: StackOptions): Promise<void> => {
  const wanted = [
    ["order service", options.orderPort, "order-port"],
    ["payment service", options.paymentPort, "payment-port"],
  ] as const
  if (options.orderPort !== undefined && options.orderPort === options.paymentPort) {
    throw new Refusal(`Both services cannot have port ${options.orderPort}.`)
  }
  for (const [user, port, option] of wanted) {
    if (port === undefined || (await isPortFree(port))) continue
    throw new Refusal(
      `Port ${port}, which the ${user} needs, is in use: end what listens there or choose another with --${option}.`,
    )
  }
}

const checkBrokers = async (brokers: string): Promise<void> => {
  const answers = await Promise.all(brokers.split(",").map(kafkaAnswers))
  if (!answers.includes(true)) throw new Refusal(`No Kafka answers at ${brokers}.`)
}

/** Starts PostgreSQL, Kafka when asked, and both services; ready when both have said `Started App`. */
export const startStack = async (options: StackOptions = {}): Promise<Stack> => {
  const temporary = options.state === undefined
  const state = options.state ?? mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "tandem-stack-"))
  mkdirSync(state, { recursive: true })
  // PostgreSQL's user must be able to enter when we are root.
  if (temporary) chmodSync(state, 0o755)
  const log: Array<string> = []
  const say = (source: string) => (line: string) => {
    log.push(`[${source}] ${line}`)
    if (log.length > 2_000) log.splice(0, 1_000)
    options.onLine?.(source, line)
  }

  let stopped: Promise<void> | undefined
  let release: () => void = () => undefined
  const services: Array<Service> = []
  const servers: { postgres?: EmbeddedPostgres; kafka?: Kafka; issuer?: LocalIssuer } = {}
  const endAll = async () => {
    await Promise.all(services.map((service) => service.stop()))
    servers.issuer?.stop()
    await servers.kafka?.stop()
    await servers.postgres?.stop()
    if (servers.postgres !== undefined) rmSync(pidFile(state, "postgres"), { force: true })
    release()
    if (temporary) rmSync(state, { recursive: true, force: true })
  }
  const stop = () => {
    stopped ??= endAll()
    return stopped
  }
  const fail = (fault: Refusal) => {
    if (stopped === undefined) options.onFailure?.(fault)
  }
  const checkAborted = () => options.signal?.throwIfAborted()

  const startDatabases = async () => {
    const server = await startPostgres({
      directory: join(state, "postgres"),
      fresh: options.fresh ?? false,
      ...(options.postgresPort === undefined ? {} : { port: options.postgresPort }),
      ...(options.durable === undefined ? {} : { durable: options.durable }),
    })
    servers.postgres = server
    remember(state, "postgres", server.pid)
    void server.ended.then(() => fail(new Refusal(`PostgreSQL ended by itself; its log is ${server.log}.`)))
    const urls = {
      orders: await server.ensureDatabase("orders"),
      payments: await server.ensureDatabase("payments"),
      broker: await server.ensureDatabase("broker"),
    }
    return { server, urls }
  }
  const startBroker = async (): Promise<string | undefined> => {
    if (options.broker !== "kafka") return undefined
    if (options.kafkaBrokers !== undefined) {
      await checkBrokers(options.kafkaBrokers)
      return options.kafkaBrokers
    }
    const directory = kafkaDirectory(state)
    if (options.fresh) rmSync(directory, { recursive: true, force: true })
    const kafka = await startKafka({ directory, jars: jarsDirectory, onLine: say("kafka") })
    servers.kafka = kafka
    void kafka.ended.then(() => fail(new Refusal("Kafka ended by itself.")))
    return kafka.brokers
  }

  try {
    release = await claimState(state)
    await endLeftovers(state)
    await checkPorts(options)
    const [database, broker] = await Promise.allSettled([startDatabases(), startBroker()])
    if (database.status === "rejected") throw database.reason
    if (broker.status === "rejected") throw broker.reason
    checkAborted()

    const { server, urls } = database.value
    const brokers = broker.value?.split(",")
    const ports = {
      order: options.orderPort ?? (await freePort()),
      payment: options.paymentPort ?? (await freePort()),
    }
    if (options.auth) servers.issuer = await startIssuer()
    const env = {
      ...options.env,
      ...servers.issuer?.env,
      BROKER_URL: brokers === undefined ? urls.broker : `kafka://${brokers.join(",")}`,
      CORS_ORIGINS: ["127.0.0.1", "localhost"].map((host) => `http://${host}:${ports.order}`).join(","),
      PAYMENT_PUBLIC_URL: `http://127.0.0.1:${ports.payment}`,
    }
    const start = (service: ServiceName, name: string, port: number) => {
      const started = startService({
        service,
        name,
        port,
        env: { ...env, DATABASE_URL: service === "order" ? urls.orders : urls.payments },
        pidFile: pidFile(state, name),
        ...(options.programs === undefined ? {} : { program: options.programs[service] }),
        onLine: say(name),
        onGivenUp: fail,
      })
      services.push(started)
      return started
    }
    const order = start("order", "order", ports.order)
    const payment = start("payment", "payment", ports.payment)
    const abort = () => void stop()
    options.signal?.addEventListener("abort", abort)
    await Promise.all([order.started, payment.started])
    options.signal?.removeEventListener("abort", abort)
    return {
      orderUrl: order.url,
      paymentUrl: payment.url,
      databaseUrls: urls,
      brokerUrl: env.BROKER_URL,
      services: { order, payment },
      postgres: server,
      kafka: servers.kafka,
      issuer: servers.issuer,
      addInstance: async (service) => {
        const instance = start(service, `${service}-${services.length}`, await freePort())
        await instance.started
        return instance
      },
      log,
      stop,
    }
  } catch (error) {
    await stop()
    checkAborted()
    if (options.onLine !== undefined || log.length === 0) throw error
    // Nobody has seen the lines that tell why.
    throw new Error(`The stack did not start:\n${log.slice(-40).join("\n")}`, { cause: error })
  }
}
