import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import type { PostgresHome } from "./PostgresBinaries.js"
import { identify, type ProcessIdentity, Refusal } from "./Processes.js"

export const superuser = "postgres"

/** What a sentence about unusable data ends with. */
export const beginAnew = "`npm start -- --fresh` begins with empty data"

/** As whom PostgreSQL's programs run. */
export const privileges = (home: PostgresHome) =>
  home.user === undefined ? {} : { uid: home.user.uid, gid: home.user.gid }

/** All of the environment that PostgreSQL's programs see: a PGDATA or a locale of the shell must not change them. */
export const environment = () => {
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

/**
 * Makes sure that there is a cluster of our major version, and returns the superuser's password. Throws a `Refusal` that names
 * `--fresh` for data of another version, damaged data, or a lost password.
 */
export const prepareData = async (home: PostgresHome, data: string, durable: boolean): Promise<string> => {
  if (!existsSync(data)) return await initialise(home, data, durable)
  const versionFile = join(data, "PG_VERSION")
  if (!existsSync(versionFile)) {
    if (readdirSync(data).length > 0) {
      throw new Refusal(`${data} is not a PostgreSQL data folder, or a damaged one; ${beginAnew}.`)
    }
    rmSync(data, { recursive: true })
    return await initialise(home, data, durable)
  }
  const version = readFileSync(versionFile, "utf8").trim()
  if (version !== home.major) {
    throw new Refusal(`${data} was made by PostgreSQL ${version} and this is ${home.major}; ${beginAnew}.`)
  }
  const secret = secretOf(home)
  if (secret === undefined) throw new Refusal(`The password file of ${data} is gone; ${beginAnew}.`)
  return secret
}

/** The server on this data folder that an earlier run left behind. A pid that by now means something else is not it. */
export const leftBehind = (data: string): ProcessIdentity | undefined => {
  const file = join(data, "postmaster.pid")
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, "utf8").split("\n")[0])
  const found = Number.isInteger(pid) && pid > 1 ? identify(pid) : undefined
  if (found?.command.includes("postgres") && found.command.includes(` -D ${data}`)) return found
  // The server would take a stranger, or a killed server that nobody has reaped, for a living postmaster and refuse to start.
  // Sessions of a killed server that still run are found by it without this file, through their shared memory.
  rmSync(file, { force: true })
  return undefined
}
