import type { ChildProcess } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { startChild } from "./ChildProcess.js"
import { identify, Refusal, signal, terminate, writePidFile } from "./Processes.js"
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
  /** Any signal to the process of the moment: SIGSTOP freezes it, SIGCONT lets it go on. */
  readonly signal: (name: NodeJS.Signals) => void
  /** Stops it as an operator would (SIGTERM) and starts it anew; done when it is ready again. */
  readonly restart: () => Promise<void>
  /** Ends it for good, with SIGTERM and 12 s to finish. */
  readonly stop: () => Promise<void>
  /** Resolves when it is ready to serve for the first time; rejects when it never will be. */
  readonly started: Promise<void>
}

/** What a service is started with. */
export interface ServiceOptions {
  readonly service: ServiceName | "example"
  /** The prefix of its lines. */
  readonly name: string
  readonly port: number
  readonly env: Readonly<Record<string, string>>
  /** Where to write down which process it is. */
  readonly pidFile: string
  /** What Node runs. Default: the service's `dist/main.js`. */
  readonly program?: string
  readonly onLine: (line: string) => void
  /** It died time after time, or was not ready in time, and is not started again. */
  readonly onGivenUp: (fault: Refusal) => void
}

/** So many immediate deaths in a row are no accident. */
const maximumDeaths = 5

/** A process that lived as long as this (ms) did not die immediately. */
const immediate = 5_000

/** How long (ms) a service may take to be ready for the first time. */
const startTimeout = 60_000

/** The pause (ms) before a restart: short after one death, so that a killed service is back at once, longer with each more. */
const backoff = (deaths: number) => Math.min(2_000, 100 * 2 ** (deaths - 1))

/** Starts a service and keeps it running; throws a `Refusal` when it was not built. */
export const startService = (options: ServiceOptions): Service => {
  const program = options.program ?? join(repository, "packages", `${options.service}-service`, "dist", "main.js")
  if (!existsSync(program)) throw new Refusal(`${program} is missing: build first, with \`npm start\` or \`npm test\`.`)
  let child: ChildProcess | undefined
  let wanted = true
  let restarting = false
  let deaths = 0
  let lastLine = "it said nothing"
  let wake: () => void = () => undefined
  const ready = new Set<() => void>()

  const runOnce = () =>
    new Promise<{ readonly code: number | null; readonly name: NodeJS.Signals | null }>((resolve) => {
      const launched = startChild(process.execPath, ["--enable-source-maps", program], {
        env: { ...inherited(), ...options.env, PORT: String(options.port), HOST: "127.0.0.1" },
        onLine: (line) => {
          if (line.trim() !== "") lastLine = line.trim()
          options.onLine(line)
          if (!line.includes("Started App")) return
          for (const tell of ready) tell()
          ready.clear()
        },
      })
      child = launched
      const identity = launched.pid === undefined ? undefined : identify(launched.pid)
      if (identity !== undefined) writePidFile(options.pidFile, identity)
      launched.once("close", (code, name) => {
        rmSync(options.pidFile, { force: true })
        resolve({ code, name })
      })
    })

  const pause = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  /** Ends when the service is no longer wanted; the result tells why, when it is because it cannot run. */
  const supervise = async (): Promise<Refusal | undefined> => {
    while (wanted) {
      const start = performance.now()
      const { code, name } = await runOnce()
      if (!wanted) break
      if (restarting) {
        restarting = false
        continue
      }
      const how = name === null ? `ended with code ${code}` : `was ended by ${name}`
      // SIGKILL and SIGTERM come from somebody else's hand: no reason to give the service up.
      const byHand = name === "SIGKILL" || name === "SIGTERM"
      deaths = performance.now() - start > immediate || byHand ? 1 : deaths + 1
      if (deaths >= maximumDeaths) {
        return new Refusal(`The ${options.name} service ${how}, ${deaths} times in a row; its last words: ${lastLine}`)
      }
      await pause(backoff(deaths))
      if (wanted) options.onLine(`the service ${how}; restarted`)
    }
    return undefined
  }

  const nextReady = () => new Promise<void>((resolve) => ready.add(resolve))
  const firstReady = nextReady()
  const supervision = supervise()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Refusal>((resolve) => {
    const say = () =>
      `The ${options.name} service was not ready within ${startTimeout / 1_000} s; its last words: ${lastLine}`
    timer = setTimeout(() => resolve(new Refusal(say())), startTimeout)
  })
  const started = (async () => {
    const fault = await Promise.race([firstReady, supervision, late])
    clearTimeout(timer)
    if (fault instanceof Refusal) throw fault
    if (!wanted) throw new Refusal(`The ${options.name} service was stopped before it was ready.`)
  })()
  started.catch((error: unknown) => {
    if (wanted && error instanceof Refusal) options.onGivenUp(error)
  })
  void supervision.then(async (fault) => {
    // A fault before the first readiness is told by `started`.
    if (fault !== undefined && (await started.then(() => true).catch(() => false))) options.onGivenUp(fault)
  })

  const livingPid = () => (child?.exitCode === null && child.signalCode === null ? child.pid : undefined)
  const endCurrent = async () => {
    const pid = livingPid()
    const identity = pid === undefined ? undefined : identify(pid)
    if (identity !== undefined) await terminate(identity, [["SIGTERM", 12_000]])
  }
  const send = (name: NodeJS.Signals) => {
    const pid = livingPid()
    if (pid !== undefined) signal(pid, name)
  }
  return {
    name: options.name,
    url: `http://127.0.0.1:${options.port}`,
    started,
    pid: () => child?.pid ?? -1,
    kill9: () => send("SIGKILL"),
    signal: send,
    restart: async () => {
      const again = nextReady()
      restarting = livingPid() !== undefined
      await endCurrent()
      wake()
      const fault = await Promise.race([again, supervision])
      if (fault instanceof Refusal) throw fault
    },
    stop: async () => {
      wanted = false
      wake()
      await endCurrent()
      await supervision
    },
  }
}

/** Settings of the services that a person may give to `npm start` in the environment. */
const settings =
  /^(AUTH|AUTH_\w+|OTEL_\w+|KAFKA_CLIENT|RATE_LIMIT|PAYMENT_TIMEOUT|INBOX_RETENTION|NOTIFICATION_RETENTION)$/

/** What every process needs. */
const common = /^(PATH|HOME|TMPDIR|TZ|LANG|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|NO_COLOR)$/

/** Where a service finds its data comes from us alone: a DATABASE_URL or PGHOST of the shell must not lead it elsewhere. */
const inherited = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => settings.test(name) || common.test(name)))
