import type { ChildProcess } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { startChild } from "./ChildProcess.js"
import { identify, isPortFree, Refusal, signal, terminate, writePidFile } from "./Processes.js"
import { repository } from "./StateDirectory.js"

/** The two services. */
export type ServiceName = "order" | "payment"

/** A service as a process of its own, started again when it dies. */
export interface Service {
  readonly name: string
  readonly url: string
  /** The process at the moment. */
  readonly pid: () => number
  /** kill -9; it is started again like after any other death. */
  readonly kill9: () => void
  /** Stops it as an operator would (SIGTERM) and starts it anew. */
  readonly restart: () => Promise<void>
  /** Ends it for good, with SIGTERM and 10 s to finish. */
  readonly stop: () => Promise<void>
  /** Resolves when it is ready to serve for the first time; rejects when it never will be. */
  readonly started: Promise<void>
}

/** What a service is started with. */
export interface ServiceOptions {
  readonly service: ServiceName
  /** The prefix of its lines, and its pid file. */
  readonly name: string
  readonly port: number
  readonly env: Readonly<Record<string, string>>
  /** Where to write down which process it is. */
  readonly pidFile: string
  readonly onLine: (line: string) => void
  /** It died time after time before it was ready, and is not started again. */
  readonly onGivenUp: (fault: Refusal) => void
}

/** So many deaths in a row before being ready are no accident. */
const maximumDeaths = 5

/** How long a service may take to be ready. */
const startTimeout = 60_000

/** Starts a service and keeps it running. */
export const startService = (options: ServiceOptions): Service => {
  const program = join(repository, "packages", `${options.service}-service`, "dist", "main.js")
  if (!existsSync(program)) throw new Refusal(`${program} is missing: build first, with \`npm start\` or \`npm test\``)
  let child: ChildProcess | undefined
  let stopping = false
  let deaths = 0
  let lastLine = ""
  let ready: () => void = () => undefined
  let failed: (fault: Refusal) => void = () => undefined
  const started = new Promise<void>((resolve, reject) => {
    ready = resolve
    failed = reject
  })
  started.catch(() => undefined)
  const giveUp = (fault: Refusal) => {
    stopping = true
    failed(fault)
    options.onGivenUp(fault)
  }
  let waiting: Promise<void> = Promise.resolve()

  const launch = () => {
    const launched = startChild(process.execPath, ["--enable-source-maps", program], {
      env: { ...inherited(), ...options.env, PORT: String(options.port), HOST: "127.0.0.1" },
      onLine: (line) => {
        lastLine = line.trim() === "" ? lastLine : line
        options.onLine(line)
        if (line.includes("Started App")) {
          deaths = 0
          ready()
        }
      },
    })
    child = launched
    const identity = launched.pid === undefined ? undefined : identify(launched.pid)
    if (identity !== undefined) writePidFile(options.pidFile, identity)
    waiting = new Promise((resolve) => {
      launched.once("close", (code, name) => {
        rmSync(options.pidFile, { force: true })
        resolve()
        if (!stopping) void relaunch(code, name)
      })
    })
  }
  const relaunch = async (code: number | null, name: NodeJS.Signals | null) => {
    deaths++
    const how = name === null ? `ended with code ${code}` : `was ended by ${name}`
    if (deaths >= maximumDeaths) return giveUp(new Refusal(`the ${options.name} service ${how}: ${lastLine.trim()}`))
    await delay(Math.min(2_000, 100 * 2 ** (deaths - 1)))
    if (stopping) return
    options.onLine(`the service ${how}; restarted`)
    launch()
  }

  const timer = setTimeout(
    () => giveUp(new Refusal(`the ${options.name} service was not ready within ${startTimeout / 1_000} s`)),
    startTimeout,
  )
  void started.finally(() => clearTimeout(timer)).catch(() => undefined)
  void isPortFree(options.port).then((free) => {
    if (free) launch()
    else giveUp(new Refusal(`port ${options.port}, which the ${options.name} service needs, is in use`))
  })

  const endCurrent = async () => {
    const identity = child?.pid === undefined ? undefined : identify(child.pid)
    if (identity !== undefined) await terminate(identity, [["SIGTERM", 12_000]])
    await waiting
  }
  return {
    name: options.name,
    url: `http://127.0.0.1:${options.port}`,
    started,
    pid: () => child?.pid ?? -1,
    kill9: () => {
      if (child?.pid !== undefined) signal(child.pid, "SIGKILL")
    },
    restart: async () => {
      stopping = true
      await endCurrent()
      stopping = false
      launch()
    },
    stop: async () => {
      stopping = true
      clearTimeout(timer)
      await endCurrent()
    },
  }
}

/** A service gets its configuration from us alone; a DATABASE_URL of the shell must not lead it to another database. */
const inherited = (): NodeJS.ProcessEnv => {
  const names = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "NODE_OPTIONS", "NO_COLOR", "SYSTEMROOT", "RATE_LIMIT"]
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}
