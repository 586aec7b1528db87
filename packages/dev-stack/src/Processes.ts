import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

/** A fault that a person can mend: its message is one sentence, shown without a stack. */
export class StackError extends Error {}

/** The command line of a living process; undefined when there is none with that id. */
export const commandLine = (pid: number): string | undefined => {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()
    return line === "" ? undefined : line
  } catch {
    const answer = spawnSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" })
    const line = answer.stdout?.trim()
    return answer.status === 0 && line !== undefined && line !== "" ? line : undefined
  }
}

/** Sends a signal; false when the process is gone. */
export const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

/** Waits until a process is gone; false when it is still there after `ms`. */
export const gone = async (pid: number, ms: number): Promise<boolean> => {
  const deadline = Date.now() + ms
  while (commandLine(pid) !== undefined) {
    if (Date.now() > deadline) return false
    await delay(20)
  }
  return true
}

/** Asks a process to end by `first`, and after `ms` makes it. */
export const end = async (pid: number, first: NodeJS.Signals, ms: number): Promise<void> => {
  signal(pid, first)
  if (await gone(pid, ms)) return
  signal(pid, "SIGKILL")
  await gone(pid, 5_000)
}

/** The processes that a stack started, one file each, so that the next start finds what a kill -9 left behind. */
export class PidFiles {
  private readonly directory: string

  constructor(stateDirectory: string) {
    this.directory = join(stateDirectory, "pids")
    mkdirSync(this.directory, { recursive: true })
  }

  /** `marker` is a part of the command line by which the process is known again, should the id be somebody else's by then. */
  write(name: string, pid: number, marker: string): void {
    writeFileSync(join(this.directory, name), JSON.stringify({ pid, marker }))
  }

  remove(name: string): void {
    rmSync(join(this.directory, name), { force: true })
  }

  /** What an earlier start left running; files of processes that are gone are removed. */
  leftovers(): ReadonlyArray<{ readonly name: string; readonly pid: number }> {
    return readdirSync(this.directory).flatMap((name) => {
      const { pid, marker } = readPidFile(join(this.directory, name))
      if (pid !== process.pid && commandLine(pid)?.includes(marker)) return [{ name, pid }]
      this.remove(name)
      return []
    })
  }
}

const readPidFile = (path: string): { readonly pid: number; readonly marker: string } => {
  try {
    const { pid, marker } = JSON.parse(readFileSync(path, "utf8"))
    if (Number.isInteger(pid) && pid > 1 && typeof marker === "string" && marker !== "") return { pid, marker }
  } catch {
    // A file cut short by a crash names no process.
  }
  return { pid: -1, marker: "\0" }
}

/** Starts a process in a group of its own, so that a Ctrl-C in the terminal reaches it only through us. */
export const startProcess = (
  command: string,
  parameters: ReadonlyArray<string>,
  options: {
    readonly env?: NodeJS.ProcessEnv
    readonly cwd?: string
    readonly user?: { readonly uid: number; readonly gid: number }
    readonly onLine: (line: string) => void
  },
): ChildProcess => {
  const child = spawn(command, parameters, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.user ?? {}),
  })
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ""
    stream?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) options.onLine(line)
    })
    stream?.on("end", () => rest !== "" && options.onLine(rest))
  }
  // An error to start shows as an exit to those who wait for one.
  child.on("error", (error) => options.onLine(error.message))
  return child
}

/** Whether nobody listens on a loopback port. */
export const portIsFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)))
  })

/** A loopback port that nobody listens on at the moment. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen({ port: 0, host: "127.0.0.1" }, () => {
      const address = server.address()
      server.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
      )
    })
  })
