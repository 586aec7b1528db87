import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, existsSync, fstatSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import pg from "pg"
import { endWithUs } from "./ChildProcess.js"
import { type PostgresHome, postgresHome } from "./PostgresBinaries.js"
import { beginAnew, environment, leftBehind, prepareData, privileges, superuser } from "./PostgresData.js"
import { freePort, identify, isPortFree, Refusal, signal, terminate, waitUntil } from "./Processes.js"

/** How a server is started. */
export interface PostgresOptions {
  /** Its folder, made when absent and kept afterwards: data, log, password. */
  readonly directory: string
  /** A port of 127.0.0.1. Default: the one of the last time when it is free, else any free one. */
  readonly port?: number
  /** False trades the data's safety in a power cut for speed: for tests. Default: true. */
  readonly durable?: boolean
  /** Begin with empty data. Default: false. */
  readonly fresh?: boolean
  /** More of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A running PostgreSQL 18 of our own. */
export interface EmbeddedPostgres {
  readonly port: number
  readonly pid: number
  /** The folder in use (as root not always the one asked for: see `postgresHome`). */
  readonly directory: string
  /** The server's log file. */
  readonly log: string
  /** The superuser's connection URL of a database. */
  readonly url: (database: string) => string
  /** Makes a database owned by a role of the same name, unless it is there, and returns that role's URL. */
  readonly ensureDatabase: (name: string) => Promise<string>
  /** Fast shutdown: sessions are ended, what was committed is on disk. */
  readonly stop: () => Promise<void>
  /** kill -9 of the server; its sessions end by themselves moments later. */
  readonly kill9: () => Promise<void>
  /** Settles when the server has ended, for whatever reason. */
  readonly ended: Promise<void>
}

const host = "127.0.0.1"

const quick = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  wal_level: "minimal",
  max_wal_senders: "0",
}

/** A log longer than this (bytes) is begun anew at the next start. */
const maximumLog = 10_000_000

/** Settings every server has: a loopback port only, no socket file to collide, room for both services and the tools. */
const base = { listen_addresses: host, unix_socket_directories: "", max_connections: "200", log_checkpoints: "off" }

const fastShutdown = [
  ["SIGINT", 10_000],
  ["SIGQUIT", 5_000],
] as const

const choosePort = async (options: PostgresOptions, directory: string): Promise<number> => {
  if (options.port !== undefined) {
    if (!(await isPortFree(options.port))) throw new Refusal(`Port ${options.port}, asked for PostgreSQL, is in use.`)
    return options.port
  }
  const file = join(directory, "port")
  const remembered = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0
  const port = remembered > 0 && (await isPortFree(remembered)) ? remembered : await freePort()
  writeFileSync(file, String(port))
  return port
}

/** Whether the server with this pid has said that it is ready; a killed server's file says so for ever. */
const isReady = (data: string, pid: number): boolean => {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")
    return Number(lines[0]) === pid && lines[7]?.trim() === "ready"
  } catch {
    return false
  }
}

/** The line that tells why a server ended: the last FATAL or PANIC of what this start wrote. */
const complaint = (log: string, from: number): string => {
  const written = readFileSync(log).subarray(from).toString("utf8")
  const lines = written.split("\n").filter((line) => /\b(FATAL|PANIC):|^postgres: /.test(line))
  return (lines.at(-1) ?? written.trim().split("\n").at(-1) ?? "no reason given").replace(/^.*?\b(FATAL|PANIC):\s*/, "")
}

const launch = async (home: PostgresHome, data: string, log: string, port: number, options: PostgresOptions) => {
  const settings = { ...base, ...(options.durable === false ? quick : {}), ...options.settings, port: String(port) }
  const isLong = existsSync(log) && statSync(log).size > maximumLog
  const descriptor = openSync(log, isLong ? "w" : "a", 0o600)
  const offset = fstatSync(descriptor).size
  let child: ChildProcess
  try {
    child = spawn(
      home.postgres,
      ["-D", data, ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`])],
      {
        cwd: "/",
        env: environment(),
        // A session of its own: Ctrl-C in the terminal must reach the services first.
        detached: true,
        stdio: ["ignore", descriptor, descriptor],
        ...privileges(home),
      },
    )
  } finally {
    closeSync(descriptor)
  }
  endWithUs(child)
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const { pid } = child
  if (pid === undefined) {
    const error = await new Promise<Error>((resolve) => child.once("error", resolve))
    return { failure: error.message }
  }
  let gone = false
  void ended.then(() => {
    gone = true
  })
  const settled = await waitUntil(() => gone || isReady(data, pid), 60_000)
  if (settled && !gone) return { pid, ended }
  if (!gone) {
    signal(pid, "SIGQUIT")
    await ended
  }
  return { failure: settled ? complaint(log, offset) : "it was not ready within a minute" }
}

/**
 * Starts PostgreSQL on a folder of its own, making the cluster the first time, and waits until it accepts connections.
 *
 * A server that an earlier run left on the folder is found by its pid file and command line and stopped first. Throws a
 * `Refusal` with one sentence for data of another major version, damaged data, a port in use, or root without a way around.
 */
export const startPostgres = async (options: PostgresOptions): Promise<EmbeddedPostgres> => {
  const home = postgresHome(options.directory)
  const data = join(home.directory, "data")
  const log = join(home.directory, "postgres.log")
  const former = leftBehind(data)
  if (former !== undefined) await terminate(former, fastShutdown)
  if (options.fresh === true) rmSync(data, { recursive: true, force: true })
  const password = await prepareData(home, data, options.durable !== false)
  const { port, pid, ended } = await launchWithRetry(home, data, log, options)
  const identity = identify(pid)

  const url = (database: string, role = superuser, secret = password) =>
    `postgres://${role}:${secret}@${host}:${port}/${database}`
  const connected = async <A>(use: (client: pg.Client) => Promise<A>): Promise<A> => {
    const client = new pg.Client({ connectionString: url("postgres") })
    await client.connect()
    try {
      return await use(client)
    } finally {
      await client.end()
    }
  }
  const ensureDatabase = (name: string) =>
    connected(async (client) => {
      const role = client.escapeIdentifier(name)
      const { rows } = await client.query(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS role, EXISTS (SELECT FROM pg_database WHERE datname = $1) AS database",
        [name],
      )
      const found = rows[0] as { role: boolean; database: boolean }
      if (!found.role) await client.query(`CREATE ROLE ${role} LOGIN PASSWORD ${client.escapeLiteral(password)}`)
      if (!found.database) await client.query(`CREATE DATABASE ${role} OWNER ${role}`)
      return url(name, name)
    })

  return {
    port,
    pid,
    directory: home.directory,
    log,
    url: (database) => url(database),
    ensureDatabase,
    stop: async () => {
      if (identity !== undefined) await terminate(identity, fastShutdown)
      await ended
    },
    kill9: async () => {
      signal(pid, "SIGKILL")
      await ended
    },
    ended,
  }
}

/** After kill -9 the old server's sessions hold its shared memory for a moment, and a free port may be taken by somebody else. */
const launchWithRetry = async (home: PostgresHome, data: string, log: string, options: PostgresOptions) => {
  const deadline = performance.now() + 20_000
  for (;;) {
    const port = await choosePort(options, home.directory)
    const started = await launch(home, data, log, port, options)
    if (started.failure === undefined) return { port, ...started }
    const passing =
      /shared memory block is still in use|pre-existing shared memory/.test(started.failure) ||
      (options.port === undefined && /could not (bind|create any TCP)/.test(started.failure))
    if (!passing || performance.now() > deadline) {
      throw new Refusal(`PostgreSQL could not start on ${data}: ${started.failure} (log: ${log}); ${beginAnew}.`)
    }
  }
}
