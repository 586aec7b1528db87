import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import pg from "pg"
import { type PostgresHome, postgresHome } from "./PostgresBinaries.js"
import {
  freePort,
  identify,
  isPortFree,
  type ProcessIdentity,
  Refusal,
  signal,
  terminate,
  waitUntil,
} from "./Processes.js"

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
  /** Runs statements one by one as the superuser in the maintenance database. */
  readonly execute: (...statements: ReadonlyArray<string>) => Promise<void>
  /** Fast shutdown: sessions are ended, what was committed is on disk. */
  readonly stop: () => Promise<void>
  /** kill -9 of the server; its sessions end by themselves moments later. */
  readonly kill9: () => Promise<void>
  /** Settles when the server has ended, for whatever reason. */
  readonly ended: Promise<void>
}

const superuser = "postgres"
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

const fresh = "`npm start -- --fresh` begins with empty data"

/** Settings every server has: a loopback port only, no socket file to collide, room for both services and the tools. */
const base = { listen_addresses: host, unix_socket_directories: "", max_connections: "200", log_checkpoints: "off" }

const privileges = (home: PostgresHome) => (home.user === undefined ? {} : { uid: home.user.uid, gid: home.user.gid })

const environment = () => {
  const { PATH = "/usr/bin:/bin" } = process.env
  return { PATH, LC_ALL: "C", TZ: "UTC" }
}

const secretOf = (home: PostgresHome): string | undefined => {
  const file = join(home.directory, "password")
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined
}

/** initdb beside the data folder's place, then a rename: an interrupted initdb leaves no half cluster behind. */
const initialise = async (home: PostgresHome, data: string, durable: boolean): Promise<string> => {
  const partial = `${data}.new`
  const passwordFile = join(home.directory, "password.new")
  const password = randomBytes(16).toString("hex")
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (home.user !== undefined) {
    chownSync(partial, home.user.uid, home.user.gid)
    chownSync(passwordFile, home.user.uid, home.user.gid)
  }
  const options = [
    "-D",
    partial,
    "-U",
    superuser,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
  ]
  const locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
  try {
    await promisify(execFile)(home.initdb, [...options, ...locale, ...(durable ? [] : ["--no-sync"])], {
      cwd: "/",
      env: environment(),
      ...privileges(home),
    })
  } catch (error) {
    const stderr = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1)
    throw new Refusal(`PostgreSQL could not make its data folder in ${home.directory}: ${stderr ?? String(error)}.`)
  }
  // The password's rename comes first: data without a password would be lost, a password without data is overwritten.
  renameSync(passwordFile, join(home.directory, "password"))
  renameSync(partial, data)
  return password
}

const prepareData = async (home: PostgresHome, data: string, durable: boolean): Promise<string> => {
  if (!existsSync(data)) return await initialise(home, data, durable)
  const versionFile = join(data, "PG_VERSION")
  if (!existsSync(versionFile)) {
    if (readdirSync(data).length > 0) {
      throw new Refusal(`${data} is not a PostgreSQL data folder, or a damaged one; ${fresh}.`)
    }
    rmSync(data, { recursive: true })
    return await initialise(home, data, durable)
  }
  const version = readFileSync(versionFile, "utf8").trim()
  if (version !== home.major) {
    throw new Refusal(`${data} was made by PostgreSQL ${version} and this is ${home.major}; ${fresh}.`)
  }
  const secret = secretOf(home)
  if (secret === undefined) throw new Refusal(`The password file of ${data} is gone; ${fresh}.`)
  return secret
}

/** The server on this data folder that an earlier run left behind. A pid that by now means something else is not it. */
const leftBehind = (data: string): ProcessIdentity | undefined => {
  const file = join(data, "postmaster.pid")
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, "utf8").split("\n")[0])
  const found = Number.isInteger(pid) && pid > 1 ? identify(pid) : undefined
  if (found === undefined) return undefined
  if (found.command.includes("postgres") && found.command.includes(` -D ${data}`)) return found
  // The server would take the stranger for a living postmaster and refuse to start.
  rmSync(file, { force: true })
  return undefined
}

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
  const execute = (...statements: ReadonlyArray<string>) =>
    connected(async (client) => {
      for (const statement of statements) await client.query(statement)
    })

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
    execute,
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
      throw new Refusal(`PostgreSQL could not start on ${data}: ${started.failure} (log: ${log}); ${fresh}.`)
    }
  }
}
