import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { startKafka } from "@tandem/dev-stack/Kafka"
import { freePort, signal } from "@tandem/dev-stack/Processes"
import { jarsDirectory } from "@tandem/dev-stack/StateDirectory"

/** A PostgreSQL or a Kafka that the services depend on. */
export interface Server {
  readonly name: string
  /** Where it listens, on 127.0.0.1, over all its lives. */
  readonly port: number
  /** kill -9 of all of it. */
  readonly kill9: () => Promise<void>
  /** Starts it again after that, with its data. */
  readonly revive: () => Promise<void>
  /** SIGSTOP to all of its processes. */
  readonly freeze: () => void
  /** SIGCONT. */
  readonly thaw: () => void
  readonly stop: () => Promise<void>
}

/** A PostgreSQL of its own for one database. */
export interface DatabaseServer extends Server {
  /** The owner's connection URL, straight to the server. */
  readonly url: string
  /** The superuser's, whose sessions have no timeouts. */
  readonly superuserUrl: string
}

const childrenOf = (pid: number): ReadonlyArray<number> =>
  execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []))

/** Durable, for what was committed before a kill must be there after it. */
export const startDatabase = async (database: string, state: string): Promise<DatabaseServer> => {
  const directory = join(state, database)
  const port = await freePort()
  let server = await startPostgres({ directory, port })
  return {
    name: `PostgreSQL (${database})`,
    port,
    url: await server.ensureDatabase(database),
    superuserUrl: server.url(database),
    kill9: () => server.kill9(),
    revive: async () => {
      server = await startPostgres({ directory, port })
    },
    // The postmaster first, so that it starts no more.
    freeze: () => {
      signal(server.pid, "SIGSTOP")
      for (const pid of childrenOf(server.pid)) signal(pid, "SIGSTOP")
    },
    thaw: () => {
      for (const pid of childrenOf(server.pid)) signal(pid, "SIGCONT")
      signal(server.pid, "SIGCONT")
    },
    stop: () => server.stop(),
  }
}

/** A Kafka whose clients go through a link, whose port they are told. */
export const startKafkaServer = async (
  state: string,
  port: number,
  linked: { readonly port: number; readonly advertisedPort: number },
): Promise<Server> => {
  const options = { directory: join(state, "kafka"), jars: jarsDirectory, port, proxied: linked }
  let kafka = await startKafka(options)
  return {
    name: "Kafka",
    port,
    kill9: () => kafka.kill9(),
    revive: async () => {
      kafka = await startKafka(options)
    },
    freeze: () => signal(kafka.pid, "SIGSTOP"),
    thaw: () => signal(kafka.pid, "SIGCONT"),
    stop: () => kafka.stop(),
  }
}
