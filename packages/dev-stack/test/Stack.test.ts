import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { identify, isRunning, type Refusal, waitUntil } from "@tandem/dev-stack/Processes"
import { type Stack, type StackOptions, startStack } from "@tandem/dev-stack/Stack"
import { usage } from "@tandem/dev-stack/StartOptions"
import pg from "pg"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

const standin = (name: string) => fileURLToPath(new URL(`./standins/${name}.mjs`, import.meta.url))

let state: string
const stacks: Array<Stack> = []
const children: Array<ChildProcess> = []

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "tandem-stack-"))
  chmodSync(state, 0o755)
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGTERM")
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
  }
  for (const stack of stacks.splice(0)) await stack.stop()
  rmSync(state, { recursive: true, force: true })
})

const start = async (options: StackOptions = {}): Promise<Stack> => {
  const program = standin("service")
  const stack = await startStack({ state, durable: false, programs: { order: program, payment: program }, ...options })
  stacks.push(stack)
  return stack
}

const environment = async (url: string): Promise<Record<string, string>> =>
  ((await (await fetch(url)).json()) as { env: Record<string, string> }).env

const query = async (url: string, statement: string) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

interface Told {
  readonly orderUrl: string
  readonly postgres: number
  readonly order: number
}

/** A stack in a process of its own, started by a shell, as npm starts one. */
const startElsewhere = async (): Promise<{
  readonly shell: ChildProcess
  readonly supervisor: number
  readonly told: Told
}> => {
  const shell = spawn("/bin/sh", ["-c", `"$0" "$1" "$2" & echo $!; wait`, process.execPath, standin("stack"), state], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  children.push(shell)
  let text = ""
  shell.stdout?.on("data", (part) => {
    text += String(part)
  })
  expect(await waitUntil(() => text.split("\n").length === 3, 25_000)).toBe(true)
  const [pid = "", told = ""] = text.split("\n")
  return { shell, supervisor: Number(pid), told: JSON.parse(told) }
}

describe("a stack", () => {
  it("gives each service its own database, both the broker, and the page's origins", async () => {
    const stack = await start({ env: { PAYMENT_TIMEOUT: "2 seconds" } })
    const order = await environment(stack.orderUrl)
    const payment = await environment(stack.paymentUrl)
    expect(order).toMatchObject({ DATABASE_URL: stack.databaseUrls.orders, PAYMENT_PUBLIC_URL: stack.paymentUrl })
    expect(payment).toMatchObject({ DATABASE_URL: stack.databaseUrls.payments })
    for (const env of [order, payment]) {
      expect(env).toMatchObject({
        BROKER_URL: stack.databaseUrls.broker,
        PAYMENT_TIMEOUT: "2 seconds",
        CORS_ORIGINS: `${stack.orderUrl},${stack.orderUrl.replace("127.0.0.1", "localhost")}`,
      })
    }
    expect(new Set(Object.values(stack.databaseUrls)).size).toBe(3)
  })

  it("runs a second instance of a service beside the first", async () => {
    const stack = await start()
    const second = await stack.addInstance("order")
    expect(second.url).not.toBe(stack.orderUrl)
    expect(await environment(second.url)).toMatchObject({ DATABASE_URL: stack.databaseUrls.orders })
  })

  it("leaves nothing running and no pid file behind, and keeps the data", async () => {
    const stack = await start()
    await query(stack.databaseUrls.orders, "CREATE TABLE kept AS SELECT 1 AS n")
    const pids = [stack.services.order.pid(), stack.services.payment.pid(), stack.postgres.pid]
    await stack.stop()
    expect(pids.map(identify)).toEqual([undefined, undefined, undefined])
    expect(readdirSync(join(state, "pids"))).toEqual([])

    const again = await start()
    expect(await query(again.databaseUrls.orders, "SELECT n FROM kept")).toEqual([{ n: 1 }])
    await again.stop()
    const anew = await start({ fresh: true })
    await expect(query(anew.databaseUrls.orders, "SELECT n FROM kept")).rejects.toThrow(/does not exist/)
  })

  it("removes the folder that it made itself", async () => {
    const stack = await startStack({
      durable: false,
      programs: { order: standin("service"), payment: standin("service") },
    })
    expect(existsSync(stack.postgres.log)).toBe(true)
    await stack.stop()
    expect(existsSync(stack.postgres.log)).toBe(false)
  })

  it("names the port that is in use, and leaves nothing running", async () => {
    const squatter = createServer().listen(0, "127.0.0.1")
    await once(squatter, "listening")
    const address = squatter.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    try {
      await expect(start({ paymentPort: port })).rejects.toThrow(
        new RegExp(`^Port ${port}, which the payment service needs, is in use.*--payment-port`),
      )
    } finally {
      squatter.close()
    }
    expect(readdirSync(join(state, "pids"))).toEqual([])
  })

  it("ends everything when a service cannot start, with its last words", async () => {
    const faults: Array<Refusal> = []
    const failing = start({
      env: { STANDIN_DIES: "before" },
      onLine: () => undefined,
      onFailure: (fault) => faults.push(fault),
    })
    await expect(failing).rejects.toThrow(/5 times in a row.*DATABASE_URL is no URL/)
    expect(faults.length).toBeGreaterThan(0)
    expect(readdirSync(join(state, "pids"))).toEqual([])
  })

  it("tells when PostgreSQL ends by itself", async () => {
    const faults: Array<Refusal> = []
    const stack = await start({ onFailure: (fault) => faults.push(fault) })
    await stack.postgres.kill9()
    expect(await waitUntil(() => faults.length > 0, 5_000)).toBe(true)
    expect(faults[0]?.message).toMatch(/^PostgreSQL ended by itself/)
  })

  it("can be ended while it starts", async () => {
    const ending = new AbortController()
    const lines: Array<string> = []
    const starting = start({
      signal: ending.signal,
      onLine: (_, line) => {
        lines.push(line)
        ending.abort()
      },
    })
    await expect(starting).rejects.toThrow(/abort/i)
    expect(readdirSync(join(state, "pids"))).toEqual([])
  })
})

describe("a second start on the same folder", () => {
  it("is refused while the first one runs", async () => {
    const { supervisor, told } = await startElsewhere()
    await expect(start()).rejects.toThrow(new RegExp(`runs on .* already \\(process ${supervisor}\\)`))
    expect((await fetch(told.orderUrl)).status).toBe(200)
    process.kill(supervisor, "SIGTERM")
  })

  it("finds and ends what a killed one left running", async () => {
    const { supervisor, told } = await startElsewhere()
    const left = [told.order, told.postgres].map((pid) => identify(pid))
    const killed = identify(supervisor)
    process.kill(supervisor, "SIGKILL")
    await waitUntil(() => killed === undefined || !isRunning(killed), 30_000)
    await start()
    for (const identity of left) expect(identity !== undefined && isRunning(identity)).toBe(false)
  })

  it("takes over from one whose starter was killed", async () => {
    const { shell, supervisor, told } = await startElsewhere()
    const identity = identify(supervisor)
    shell.kill("SIGKILL")
    await once(shell, "exit")
    const stack = await start()
    expect(identity !== undefined && isRunning(identity)).toBe(false)
    expect(identify(told.postgres)).toBeUndefined()
    expect((await fetch(stack.orderUrl)).status).toBe(200)
  })
})

describe("npm start's command line", () => {
  const run = async (...parameters: ReadonlyArray<string>) => {
    const program = fileURLToPath(new URL("../dist/start.js", import.meta.url))
    const child = spawn(process.execPath, [program, "--state", state, ...parameters], {
      stdio: ["ignore", "pipe", "pipe"],
    })
    children.push(child)
    const output = { out: "", error: "" }
    child.stdout.on("data", (text) => {
      output.out += String(text)
    })
    child.stderr.on("data", (text) => {
      output.error += String(text)
    })
    const [code] = await once(child, "close")
    return { code, ...output }
  }

  it("answers an unknown option with one sentence and exit code 2", async () => {
    const { code, error, out } = await run("--nonsense")
    expect([code, out]).toEqual([2, ""])
    expect(error).toMatch(/^.*--nonsense.*\n$/)
  })

  it("answers a port in use with one sentence and exit code 1", async () => {
    const squatter = createServer().listen(0, "127.0.0.1")
    await once(squatter, "listening")
    const address = squatter.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const { code, error } = await run(`--order-port=${port}`, "--payment-port=1").finally(() => squatter.close())
    expect(code).toBe(1)
    expect(error).toMatch(new RegExp(`^Port ${port}, which the order service needs, .*\\n$`))
  })

  it("shows its help", async () => {
    const { code, out } = await run("--help")
    expect([code, out]).toEqual([0, `${usage}\n`])
  })
})
