import { mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { kafkaPidFile } from "./Kafka.js"
import {
  identify,
  type ProcessIdentity,
  parentOf,
  Refusal,
  readPidFile,
  signal,
  terminate,
  writePidFile,
} from "./Processes.js"

const folder = (state: string) => join(state, "pids")

/** Where a state folder keeps who runs under this name. */
export const pidFile = (state: string, name: string): string => join(folder(state), name)

/** Remembers a process, so that a start after a kill -9 of this one finds it. */
export const remember = (state: string, name: string, pid: number): void => {
  const identity = identify(pid)
  if (identity !== undefined) writePidFile(pidFile(state, name), identity)
}

const supervisor = "supervisor"
const starters = ["supervisor-parent", "supervisor-grandparent"]

/** Who started us: npm, and where npm's shell stands between, that shell too. */
const startedBy = (): ReadonlyArray<ProcessIdentity> => {
  const parent = identify(process.ppid)
  if (parent === undefined) return []
  const above = / -c /.test(parent.command) ? identify(parentOf(parent.pid) ?? 0) : undefined
  return above === undefined ? [parent] : [parent, above]
}

/** How often (ms) to look whether our starter lives. */
const watchEvery = 500

/**
 * Calls back once when npm, or the shell that npm put between, is gone: npm that is ended by a signal leaves its script
 * running, and nobody would ever end it. Does nothing when npm has not started us.
 */
export const watchStarter = (onGone: () => void): void => {
  if (process.env["npm_lifecycle_event"] === undefined) return
  const parent = process.ppid
  const grandparent = parentOf(parent)
  const timer = setInterval(() => {
    if (process.ppid === parent && parentOf(parent) === grandparent) return
    clearInterval(timer)
    onGone()
  }, watchEvery)
  timer.unref()
}

/**
 * Makes this process the one that runs on a state folder, and returns what ends that.
 *
 * Another one that runs on it is refused with a sentence, unless whoever started it is gone (kill -9 of `npm start`): nobody
 * holds its terminal any more, so it is ended in order first.
 */
export const claimState = async (state: string): Promise<() => void> => {
  mkdirSync(folder(state), { recursive: true })
  const former = readPidFile(pidFile(state, supervisor))
  if (former !== undefined) {
    const files = starters.map((name) => pidFile(state, name))
    const recorded = readdirSync(folder(state)).filter((name) => starters.includes(name)).length
    const living = files.filter((file) => readPidFile(file) !== undefined).length
    if (living === recorded) {
      throw new Refusal(
        `Tandem runs on ${state} already (process ${former.pid}): end that one with Ctrl-C or \`kill ${former.pid}\`, or start on another folder and other ports with --state, --order-port and --payment-port.`,
      )
    }
    await terminate(former, [["SIGTERM", 40_000]])
  }
  for (const name of starters) rmSync(pidFile(state, name), { force: true })
  for (const [index, identity] of startedBy().entries()) {
    writePidFile(pidFile(state, starters[index] ?? "supervisor-parent"), identity)
  }
  remember(state, supervisor, process.pid)
  return () => {
    for (const name of [supervisor, ...starters]) rmSync(pidFile(state, name), { force: true })
  }
}

const children = (state: string): ReadonlyArray<readonly [string, ProcessIdentity]> =>
  readdirSync(folder(state)).flatMap((name) => {
    if (name === supervisor || starters.includes(name)) return []
    const identity = readPidFile(pidFile(state, name))
    return identity === undefined ? [] : [[name, identity] as const]
  })

/** Where a stack's own Kafka lives. */
export const kafkaDirectory = (state: string): string => join(state, "kafka")

/** Ends the services that an earlier run left; PostgreSQL and Kafka each find what was left of themselves. */
export const endLeftovers = async (state: string): Promise<void> => {
  const services = children(state).filter(([name]) => name !== "postgres")
  await Promise.all(services.map(([, identity]) => terminate(identity, [["SIGTERM", 12_000]])))
}

/** Ends everything at once, without a farewell; what was committed is safe, PostgreSQL's log has it. */
export const killEverything = (state: string): void => {
  const kafka = readPidFile(kafkaPidFile(kafkaDirectory(state)))
  if (kafka !== undefined) signal(kafka.pid, "SIGKILL")
  for (const [name, { pid }] of children(state)) signal(pid, name === "postgres" ? "SIGQUIT" : "SIGKILL")
}
