import { randomUUID } from "node:crypto"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { freePort } from "@tandem/dev-stack/Processes"
import { type Service, startService } from "@tandem/dev-stack/Services"
import pg from "pg"
import { type LoopResult, percentile, rate } from "../ClosedLoop.js"
import { type Figure, spread } from "../Figures.js"
import { rawLoop } from "./RawLoop.js"

/** How much of everything. */
export interface HttpOptions {
  readonly runs: number
  readonly clients: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

const users = 500

const post = (path: string, headers = "") =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}Content-Length: 0\r\n\r\n`
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
const order = (client: number, sequence: number) =>
  `/orders?userId=bench-${(client * 7 + sequence) % users}&amount=${1 + (sequence % 900)}`

const isCreated = (status: number) => status === 201
const isFound = (status: number) => status === 200

/**
 * The order service's HTTP side alone: no relay has a broker to publish to and nothing is settled, so that its POST stands beside a bare
 * server that does the same insert into the same tables; and a route that does nothing beside Effect's own.
 */
export const http = async (options: HttpOptions, say: (line: string) => void): Promise<ReadonlyArray<Figure>> => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(directory, 0o755)
  const postgres = await startPostgres({ directory: join(directory, "postgres"), fresh: true })
  const services: Array<Service> = []
  try {
    const databaseUrl = await postgres.ensureDatabase("bench")
    const start = async (name: string, program: string | undefined) => {
      const service = startService({
        service: "order",
        name,
        port: await freePort(),
        // Nobody listens there: the relay tries now and then, and nothing is taken from the outbox.
        env: { DATABASE_URL: databaseUrl, BROKER_URL: "kafka://127.0.0.1:9" },
        pidFile: join(directory, `${name}.pid`),
        onLine: () => undefined,
        onGivenUp: (fault) => say(fault.message),
        ...(program === undefined
          ? {}
          : { program: fileURLToPath(new URL(`./servers/${program}.js`, import.meta.url)) }),
      })
      services.push(service)
      await service.started
      return Number(new URL(service.url).port)
    }
    const ports = {
      order: await start("order", undefined),
      bare: await start("bare", "bareInsert"),
      ownNoOp: await start("own-no-op", "ownNoOp"),
      effectNoOp: await start("effect-no-op", "effectNoOp"),
    }
    return await measure(ports, databaseUrl, options, say)
  } finally {
    await Promise.all(services.map((service) => service.stop()))
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

const measure = async (
  ports: Readonly<Record<"order" | "bare" | "ownNoOp" | "effectNoOp", number>>,
  databaseUrl: string,
  { runs, clients, warmUpSeconds, seconds }: HttpOptions,
  say: (line: string) => void,
): Promise<ReadonlyArray<Figure>> => {
  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  let ids: ReadonlyArray<string> = []
  const prefix = randomUUID()
  let keys = 0
  const noOp = (client: number, sequence: number) =>
    post(`/no-op?userId=bench-${client}&amount=${1 + (sequence % 900)}`)
  const loops = {
    bare: { port: ports.bare, request: (c: number, n: number) => post(order(c, n)), accepts: isCreated },
    post: { port: ports.order, request: (c: number, n: number) => post(order(c, n)), accepts: isCreated },
    keyed: {
      port: ports.order,
      request: (c: number, n: number) => post(order(c, n), `Idempotency-Key: ${prefix}-${keys++}\r\n`),
      accepts: isCreated,
    },
    get: {
      port: ports.order,
      request: (c: number, n: number) => get(`/orders/${ids[(c * 7 + n) % ids.length]}`),
      accepts: isFound,
    },
    bareOfFew: { port: ports.bare, request: (c: number, n: number) => post(order(c, n)), accepts: isCreated },
    postOfFew: { port: ports.order, request: (c: number, n: number) => post(order(c, n)), accepts: isCreated },
    ownNoOp: { port: ports.ownNoOp, request: noOp, accepts: isCreated },
    effectNoOp: { port: ports.effectNoOp, request: noOp, accepts: isCreated },
  }
  /** About half of what can be had. */
  const few = clients / 8
  const names = Object.keys(loops) as ReadonlyArray<keyof typeof loops>
  const results: Record<keyof typeof loops, Array<LoopResult>> = {
    bare: [],
    post: [],
    keyed: [],
    get: [],
    bareOfFew: [],
    postOfFew: [],
    ownNoOp: [],
    effectNoOp: [],
  }
  try {
    for (let run = 0; run <= runs; run++) {
      for (const name of names) {
        if (name === "get") {
          const { rows } = await database.query<{ id: string }>("SELECT id FROM orders LIMIT 10000")
          ids = rows.map(({ id }) => id)
        } else await database.query("TRUNCATE orders, outbox_events, idempotency_keys CASCADE")
        const result = await rawLoop({
          ...loops[name],
          clients: name.endsWith("OfFew") ? few : clients,
          seconds: run === 0 ? warmUpSeconds : seconds,
        })
        say(`${run === 0 ? "warm-up" : `run ${run}`}: ${name} ${Math.round(rate(result))}/s, ${result.failed} failed`)
        if (result.failed > 0) throw new Error(`${result.failed} requests of ${name} failed`)
        if (run > 0) results[name].push(result)
      }
    }
    const values = (name: keyof typeof loops) => results[name].map(rate)
    return [
      {
        name: `POST /orders alone, ${clients} clients`,
        unit: "requests/s",
        values: values("post"),
        yardstick: { name: "bare node:http + pg, the same statement shared", values: values("bare") },
        target: { value: { least: 6_000 }, ratio: { least: 0.4, next: 0.6 } },
      },
      {
        name: "the same with an Idempotency-Key",
        unit: "requests/s",
        values: values("keyed"),
        yardstick: { name: "without", values: values("post") },
        target: { ratio: { least: 0.7 } },
      },
      { name: "GET /orders/{id} alone", unit: "requests/s", values: values("get") },
      {
        name: "a route that does nothing, behind our gates",
        unit: "requests/s",
        values: values("ownNoOp"),
        yardstick: { name: "bare Effect HttpApi", values: values("effectNoOp") },
        target: { ratio: { least: 0.8 } },
      },
      {
        name: `POST /orders p99, ${clients} clients`,
        unit: "ms",
        values: results.post.map((result) => percentile(result, 0.99)),
        yardstick: { name: "bare", values: results.bare.map((result) => percentile(result, 0.99)) },
      },
      {
        name: `POST /orders p99, ${few} clients (${Math.round(spread(values("postOfFew")).median)}/s)`,
        unit: "ms",
        values: results.postOfFew.map((result) => percentile(result, 0.99)),
        yardstick: { name: "bare", values: results.bareOfFew.map((result) => percentile(result, 0.99)) },
        target: { value: { most: 10 } },
      },
    ]
  } finally {
    await database.end()
  }
}
