import { execFileSync, spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { endWithUs } from "@tandem/dev-stack/ChildProcess"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { freePort } from "@tandem/dev-stack/Processes"
import { startService } from "@tandem/dev-stack/Services"
import { repository } from "@tandem/dev-stack/StateDirectory"
import type { Figure } from "./Figures.js"

/** How long (ms) the services do nothing before their memory is read. */
const idle = 8_000

/** How long (ms) a start may take. */
const startTimeout = 120_000

interface Start {
  readonly seconds: number
  /** MB. */
  readonly memory: { readonly order: number; readonly payment: number }
}

/** `npm start` as a person runs it, on what it left behind the time before, and the memory of both services while nobody calls. */
export const startup = async (
  options: { readonly runs: number },
  say: (line: string) => void,
): Promise<ReadonlyArray<Figure>> => {
  const state = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(state, 0o755)
  const starts: Array<Start> = []
  const bare: Array<BareStart> = []
  try {
    for (let run = 0; run <= options.runs; run++) {
      const start = await once(state)
      const beside = await bareStart(join(state, "bare"))
      say(
        `${run === 0 ? "first start" : `run ${run}`}: ready after ${start.seconds.toFixed(1)} s, ` +
          `PostgreSQL alone after ${beside.seconds.toFixed(1)} s`,
      )
      if (run === 0) continue
      starts.push(start)
      bare.push(beside)
    }
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
  const memory = (service: "order" | "payment"): Figure => ({
    name: `memory of the ${service} service (RSS) after ${idle / 1_000} s with nothing to do`,
    unit: "MB",
    values: starts.map((start) => start.memory[service]),
    yardstick: { name: "bare node:http + pg", values: bare.map((one) => one.memory) },
    target: { value: { most: 150 } },
  })
  return [
    {
      name: "`npm start`, not the first one",
      unit: "s",
      values: starts.map(({ seconds }) => seconds),
      yardstick: { name: "its PostgreSQL alone", values: bare.map(({ seconds }) => seconds) },
      target: { value: { most: 5 } },
    },
    memory("order"),
    memory("payment"),
  ]
}

const once = async (state: string): Promise<Start> => {
  const ports = { order: await freePort(), payment: await freePort() }
  const parameters = ["--order-port", String(ports.order), "--payment-port", String(ports.payment), "--state", state]
  const began = performance.now()
  // A group of its own, all of which hears Ctrl-C, as in a terminal.
  const child = spawn("npm", ["start", "--", ...parameters], {
    cwd: repository,
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  })
  endWithUs(child)
  const ended = new Promise<void>((resolve) => void child.once("exit", () => resolve()))
  try {
    await untilReady(child.stdout, ended)
    const seconds = (performance.now() - began) / 1_000
    await new Promise((resolve) => setTimeout(resolve, idle))
    return { seconds, memory: { order: await resident(ports.order), payment: await resident(ports.payment) } }
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGINT")
    await ended
  }
}

interface BareStart {
  /** Until PostgreSQL answered. */
  readonly seconds: number
  /** MB. */
  readonly memory: number
}

/** What no service can go below: its PostgreSQL started on what is there, and the memory of a server with nothing but `node:http` and `pg`. */
const bareStart = async (directory: string): Promise<BareStart> => {
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const began = performance.now()
  const postgres = await startPostgres({ directory: join(directory, "postgres") })
  const databaseUrl = await postgres.ensureDatabase("bare")
  const seconds = (performance.now() - began) / 1_000
  const server = startService({
    service: "order",
    name: "bare",
    port: await freePort(),
    env: { DATABASE_URL: databaseUrl },
    pidFile: join(directory, "bare.pid"),
    onLine: () => undefined,
    onGivenUp: (fault) => console.error(fault.message),
    program: fileURLToPath(new URL("./http/servers/bareInsert.js", import.meta.url)),
  })
  try {
    await server.started
    await new Promise((resolve) => setTimeout(resolve, idle))
    const kilobytes = execFileSync("ps", ["-o", "rss=", "-p", String(server.pid())], { encoding: "utf8" })
    return { seconds, memory: (Number(kilobytes) * 1_024) / 1e6 }
  } finally {
    await server.stop()
    await postgres.stop()
  }
}

const untilReady = (output: NodeJS.ReadableStream, ended: Promise<void>) =>
  new Promise<void>((resolve, reject) => {
    let said = ""
    output.on("data", (chunk) => {
      said += String(chunk)
      if (said.split("Started App").length > 2) resolve()
    })
    void ended.then(() => reject(new Error(`npm start ended:\n${said}`)))
    setTimeout(() => reject(new Error(`npm start took too long:\n${said}`)), startTimeout).unref()
  })

/** MB, as the service itself tells. */
const resident = async (port: number): Promise<number> => {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)/m.exec(metrics)?.[1]) / 1e6
}
