import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, type PostgresOptions, startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { identify, isRunning, Refusal } from "@tandem/dev-stack/Processes"
import pg from "pg"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

let root: string
let directory: string
const started: Array<EmbeddedPostgres> = []

beforeEach(() => {
  // mkdtemp makes the folder 0700: as root the server has to find itself another place, as everybody else it is at home.
  root = mkdtempSync(join(tmpdir(), "tandem-postgres-"))
  directory = join(root, "postgres")
})

afterEach(async () => {
  for (const server of started.splice(0)) {
    await server.stop()
    rmSync(server.directory, { recursive: true, force: true })
  }
  rmSync(root, { recursive: true, force: true })
})

const start = async (options: Partial<PostgresOptions> = {}): Promise<EmbeddedPostgres> => {
  const server = await startPostgres({ directory, durable: false, ...options })
  started.push(server)
  return server
}

const query = async (url: string, statement: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const client = new pg.Client({ connectionString: url })
  client.on("error", () => undefined)
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

const refusal = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Refusal)
  const message = error instanceof Error ? error.message : ""
  expect(message).not.toMatch(/\n/)
  return message
}

describe("the embedded PostgreSQL", () => {
  it("keeps data and port between runs, and --fresh empties it", async () => {
    const first = await start()
    const url = await first.ensureDatabase("orders")
    await query(url, "CREATE TABLE kept AS SELECT 1 AS n")
    await first.stop()

    const second = await start()
    expect(second.port).toBe(first.port)
    expect(await second.ensureDatabase("orders")).toBe(url)
    expect(await query(url, "SELECT n FROM kept")).toEqual([{ n: 1 }])
    await second.stop()

    const third = await start({ fresh: true })
    expect(await query(third.url("postgres"), "SELECT 1 AS n FROM pg_database WHERE datname = 'orders'")).toEqual([])
  })

  it("gives each database a role that owns it and cannot read its neighbour's tables", async () => {
    const server = await start()
    const orders = await server.ensureDatabase("orders")
    const payments = await server.ensureDatabase("payments")
    await query(payments, "CREATE TABLE accounts (id int)")
    expect(await query(orders, "SELECT current_user AS role, current_setting('is_superuser') AS super")).toEqual([
      { role: "orders", super: "off" },
    ])
    const trespass = new URL(orders)
    trespass.pathname = "payments"
    await expect(query(trespass.href, "SELECT * FROM accounts")).rejects.toThrow(/permission denied/)
  })

  it("has what was committed after kill -9, at the next start", async () => {
    const first = await start({ durable: true })
    const url = await first.ensureDatabase("orders")
    await query(url, "CREATE TABLE kept AS SELECT 1 AS n")
    await first.kill9()

    await start({ durable: true })
    expect(await query(url, "SELECT n FROM kept")).toEqual([{ n: 1 }])
  })

  it("stops the server that a killed parent left on the data", async () => {
    const orphan = await start()
    const identity = identify(orphan.pid)
    if (identity === undefined) throw new Error("the server is not running")
    const next = await start()
    expect(isRunning(identity)).toBe(false)
    expect(next.pid).not.toBe(orphan.pid)
    expect(await query(next.url("postgres"), "SELECT 1 AS n")).toEqual([{ n: 1 }])
  })

  it("leaves a stranger alone whose pid stands in a stale postmaster.pid", async () => {
    const first = await start()
    await first.stop()
    const data = join(first.directory, "data")
    const { uid, gid } = statSync(data)
    // PostgreSQL fears only processes of its own user.
    const stranger = spawn("sleep", ["600"], { stdio: "ignore", uid, gid })
    writeFileSync(join(data, "postmaster.pid"), `${stranger.pid}\n${data}\n0\n0\n\n127.0.0.1\n0 0\nready\n`)
    try {
      const next = await start()
      expect(await query(next.url("postgres"), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
    } finally {
      stranger.kill("SIGKILL")
    }
  })

  it("begins again where an initdb was interrupted", async () => {
    const probe = await start()
    await probe.stop()
    rmSync(join(probe.directory, "data"), { recursive: true })
    mkdirSync(join(probe.directory, "data.new"))
    writeFileSync(join(probe.directory, "data.new", "half"), "")
    const server = await start()
    expect(await query(server.url("postgres"), "SELECT 1 AS n")).toEqual([{ n: 1 }])
    expect(existsSync(join(server.directory, "data.new"))).toBe(false)
  })

  it.each([
    ["another major version", "PG_VERSION", "17\n", /PostgreSQL 17 .*--fresh/],
    ["no version file", "PG_VERSION", undefined, /damaged.*--fresh/],
    ["a lost control file", "global/pg_control", undefined, /could not start.*--fresh/],
  ])("says in one sentence what to do about data with %s", async (_, file, content, expected) => {
    const server = await start()
    await server.stop()
    const path = join(server.directory, "data", file)
    if (content === undefined) rmSync(path)
    else writeFileSync(path, content)
    expect(await refusal(start())).toMatch(expected)
    await start({ fresh: true })
  })

  it("says in one sentence which port is in use", async () => {
    chmodSync(root, 0o755)
    const squatter = createServer()
    const port = await new Promise<number>((resolve) => {
      squatter.listen(0, "127.0.0.1", () => {
        const address = squatter.address()
        resolve(typeof address === "object" && address !== null ? address.port : 0)
      })
    })
    try {
      expect(await refusal(start({ port }))).toContain(`Port ${port}`)
    } finally {
      squatter.close()
    }
  })
})
