import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "@tandem/dev-stack/Processes"
import { type Service, type ServiceName, startService } from "@tandem/dev-stack/Services"
import { type Link, openLink } from "./Link.js"
import { type DatabaseServer, type Server, startDatabase, startKafkaServer } from "./Server.js"

/** One process of a service, with ways of its own to everything that it speaks to. */
export interface Instance {
  readonly name: string
  readonly service: ServiceName
  readonly process: Service
  /** What clients call; behind {@link Links.clients}. */
  readonly url: string
  readonly links: Links
  /** Sets its wall clock so many ms from the real one. */
  readonly shiftClock: (ms: number) => void
}

/** The ways of an instance. */
export interface Links {
  readonly clients: Link
  readonly database: Link
  /** All instances share the one to Kafka. */
  readonly broker: Link
}

/** The whole system, two instances of each service, every part of it within reach of a fault. */
export interface FaultySystem {
  readonly broker: "postgres" | "kafka"
  readonly instances: ReadonlyArray<Instance>
  readonly databases: { readonly orders: DatabaseServer; readonly payments: DatabaseServer }
  /** Everything that is no instance. */
  readonly servers: ReadonlyArray<Server>
  /** `BROKER_URL`, past every link. */
  readonly brokerUrl: string
  /** What a service gave up for, if one did. */
  readonly givenUp: () => string | undefined
  /** The last lines of all processes. */
  readonly log: ReadonlyArray<string>
  readonly stop: () => Promise<void>
}

/** As built, for plain Node runs it. */
const clock = new URL("../../dist/faults/shiftedClock.js", import.meta.url)

const throughLink = (url: string, port: number): string => {
  const linked = new URL(url)
  linked.port = String(port)
  return linked.href
}

/** Starts everything; ready when all four instances are. */
export const startFaultySystem = async (options: {
  readonly broker: "postgres" | "kafka"
  /** As Effect reads a duration. */
  readonly paymentTimeout: string
}): Promise<FaultySystem> => {
  const state = mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "tandem-faults-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(state, 0o755)
  const log: Array<string> = []
  const links: Array<Link> = []
  const servers: Array<Server> = []
  const instances: Array<Instance> = []
  let givenUp: string | undefined
  const link = async (port: number) => {
    const opened = await openLink(port)
    links.push(opened)
    return opened
  }
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= endAll()
    return stopped
  }
  const endAll = async () => {
    for (const opened of links) opened.heal()
    // Whoever is stopped cannot end in order.
    for (const server of servers) server.thaw()
    for (const { process } of instances) process.signal("SIGCONT")
    await Promise.all(instances.map(({ process }) => process.stop()))
    await Promise.all(servers.map((server) => server.stop()))
    for (const opened of links) opened.close()
    rmSync(state, { recursive: true, force: true })
  }
  const database = async (name: string) => {
    const server = await startDatabase(name, state)
    servers.push(server)
    return server
  }

  /** The way of one instance to the broker, and the URL that it is given. */
  const startBroker = async () => {
    if (options.broker === "postgres") {
      const server = await database("broker")
      return {
        url: server.url,
        wayOf: async () => {
          const way = await link(server.port)
          return { way, url: throughLink(server.url, way.port) }
        },
      }
    }
    const [port, linkedPort] = [await freePort(), await freePort()]
    const way = await link(linkedPort)
    servers.push(await startKafkaServer(state, port, { port: linkedPort, advertisedPort: way.port }))
    return {
      url: `kafka://127.0.0.1:${port}`,
      wayOf: async () => ({ way, url: `kafka://127.0.0.1:${way.port}` }),
    }
  }

  try {
    const [orders, payments, broker] = await Promise.all([database("orders"), database("payments"), startBroker()])
    const startInstance = async (service: ServiceName, number: number): Promise<Instance> => {
      const name = `${service} ${number}`
      const own = service === "order" ? orders : payments
      const port = await freePort()
      const { way, url } = await broker.wayOf()
      const ways: Links = { clients: await link(port), database: await link(own.port), broker: way }
      const clockFile = join(state, `clock-${service}-${number}`)
      writeFileSync(clockFile, "0")
      const process = startService({
        service,
        name,
        port,
        pidFile: join(state, `${service}-${number}.pid`),
        env: {
          DATABASE_URL: throughLink(own.url, ways.database.port),
          BROKER_URL: url,
          PAYMENT_TIMEOUT: options.paymentTimeout,
          NODE_OPTIONS: `--import=${clock.href}`,
          SHIFTED_CLOCK: clockFile,
        },
        onLine: (line) => {
          log.push(`[${name}] ${line}`)
          if (log.length > 4_000) log.splice(0, 2_000)
        },
        onGivenUp: (fault) => {
          givenUp = fault.message
        },
      })
      const instance: Instance = {
        name,
        service,
        process,
        url: `http://127.0.0.1:${ways.clients.port}`,
        links: ways,
        shiftClock: (ms) => {
          writeFileSync(clockFile, String(ms))
          process.signal("SIGUSR2")
        },
      }
      instances.push(instance)
      await process.started
      return instance
    }
    // One of each first, which makes the tables.
    await Promise.all([startInstance("order", 1), startInstance("payment", 1)])
    await Promise.all([startInstance("order", 2), startInstance("payment", 2)])
    return {
      broker: options.broker,
      instances,
      databases: { orders, payments },
      servers,
      brokerUrl: broker.url,
      givenUp: () => givenUp,
      log,
      stop,
    }
  } catch (error) {
    await stop()
    throw new Error(`The system did not start:\n${log.slice(-40).join("\n")}`, { cause: error })
  }
}
