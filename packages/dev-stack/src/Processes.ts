import { execFileSync } from "node:child_process"
import { randomInt } from "node:crypto"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { dirname } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

/** A failure that a person at a terminal can act on: its message is one sentence and is printed without a stack. */
export class Refusal extends Error {
  override readonly name: string = "Refusal"
}

/** A command line that was not understood; exit code 2. */
export class UsageRefusal extends Refusal {
  override readonly name = "UsageRefusal"
}

/**
 * Which process a pid meant when it was written down. A pid alone is not enough: the system gives it away again.
 *
 * `startedAt` is the kernel's start tick on Linux and `ps`'s start time elsewhere; `command` is the whole command line.
 */
export interface ProcessIdentity {
  readonly pid: number
  readonly startedAt: string
  readonly command: string
}

const fromProc = (pid: number): ProcessIdentity | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    // The name in parentheses may hold spaces and parentheses itself: count the fields after the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const [state] = fields
    if (state === "Z" || state === "X") return undefined
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()
    return { pid, startedAt: fields[19] ?? "", command }
  } catch {
    return undefined
  }
}

const fromPs = (pid: number): ProcessIdentity | undefined => {
  try {
    const line = execFileSync("ps", ["-ww", "-o", "stat=,lstart=,command=", "-p", String(pid)], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
    })
    const [, state = "Z", startedAt = "", command = ""] =
      /^\s*(\S+)\s+(\w+\s+\w+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/m.exec(line) ?? []
    return state.startsWith("Z") ? undefined : { pid, startedAt, command: command.trim() }
  } catch {
    return undefined
  }
}

/** What runs under this pid now; undefined when nothing does (a process that has ended but was not yet reaped is nothing). */
export const identify: (pid: number) => ProcessIdentity | undefined = process.platform === "linux" ? fromProc : fromPs

/** The pid of a process's parent; undefined when the process is gone. */
export const parentOf = (pid: number): number | undefined => {
  try {
    if (process.platform === "linux") {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
    }
    return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }))
  } catch {
    return undefined
  }
}

/** Whether the very process that was written down still runs. */
export const isRunning = (identity: ProcessIdentity): boolean => {
  const now = identify(identity.pid)
  return now !== undefined && now.startedAt === identity.startedAt && now.command === identity.command
}

/** Sends a signal; false when the process is gone already. */
export const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}

/** Looks every 10 ms until the condition holds; false when it does not within `milliseconds`. */
export const waitUntil = async (
  condition: () => boolean | Promise<boolean>,
  milliseconds: number,
): Promise<boolean> => {
  const deadline = performance.now() + milliseconds
  while (!(await condition())) {
    if (performance.now() > deadline) return false
    await delay(10)
  }
  return true
}

/**
 * Ends a process, its own child or not: each signal is given its milliseconds, then comes the next, and SIGKILL is the last.
 * A pid that by now means another process is left alone.
 */
export const terminate = async (
  identity: ProcessIdentity,
  steps: ReadonlyArray<readonly [NodeJS.Signals, number]> = [["SIGTERM", 10_000]],
): Promise<void> => {
  for (const [name, milliseconds] of [...steps, ["SIGKILL", 5_000] as const]) {
    if (!isRunning(identity)) return
    signal(identity.pid, name)
    if (await waitUntil(() => !isRunning(identity), milliseconds)) return
  }
}

/** Writes down who runs, for the next start to find. */
export const writePidFile = (file: string, identity: ProcessIdentity): void => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(identity))
}

/** The process that a pid file names, if that very process still runs; a stale or unreadable file is removed. */
export const readPidFile = (file: string): ProcessIdentity | undefined => {
  try {
    const identity = JSON.parse(readFileSync(file, "utf8")) as ProcessIdentity
    if (isRunning(identity)) return identity
  } catch {
    // Absent, or cut short by a crash in the middle of the write: both name nobody.
  }
  rmSync(file, { force: true })
  return undefined
}

/**
 * Where ports are sought: below those that systems give to outgoing connections (32768 and up on Linux, 49152 elsewhere). One
 * of theirs may be taken by any client between our look and the server's start, and a client that knocks until a server is up
 * can even reach itself there: the system may give it the very port as its own.
 */
const [firstPort, portCount] = [15_000, 17_000]

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = firstPort + randomInt(portCount)
    if (await isPortFree(port)) return port
  }
  throw new Refusal("This machine has no free TCP port on 127.0.0.1.")
}

/** Whether a server could listen on this port of 127.0.0.1 now. */
export const isPortFree = (port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(false) : reject(error),
    )
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
