import { type ChildProcess, fork } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import type { Figure, Target } from "../Figures.js"
import { openSockets } from "./RawSockets.js"
import type { Request, Response } from "./servers/Control.js"

/** How much of everything. */
export interface SocketsOptions {
  readonly runs: number
  readonly sockets: number
  readonly perSecond: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

/** Every so manieth client reads nothing. */
const slowEach = 100

/** Ours, and the yardsticks: the last pings as often as ours, for the contract asks for it. */
const servers = ["pushHub", "bareSockets", "barePinging"] as const
type Server = (typeof servers)[number]

/** What open sockets cost. */
export interface Measured {
  /** Bytes a socket. */
  readonly rss: number
  readonly heap: number
  /** ms from publishing to the frame. */
  readonly p50: number
  readonly p99: number
  /** Sockets opened a second. */
  readonly opened: number
}

/**
 * Open sockets, one a user, on the push side of the order service, and on a bare `ws` broadcaster in the same run: memory a socket, and
 * the time from publishing to the frame while some clients read nothing.
 */
export const sockets = async (options: SocketsOptions, say: (line: string) => void): Promise<ReadonlyArray<Figure>> => {
  const measured = await measureSockets(servers, options, say)
  const yardsticks = { bareSockets: "bare ws", barePinging: "bare ws with the same pings" } as const
  const beside = (
    server: keyof typeof yardsticks,
    name: string,
    unit: string,
    pick: (one: Measured) => number,
    target?: Target,
  ): Figure => ({
    name,
    unit,
    values: measured.pushHub.map(pick),
    yardstick: { name: yardsticks[server], values: measured[server].map(pick) },
    ...(target === undefined ? {} : { target }),
  })
  const at = `${options.sockets} sockets, ${options.perSecond} frames/s`
  const atMost = { ratio: { most: 1.5 } }
  return [
    beside("bareSockets", `memory a socket (RSS), ${options.sockets} sockets`, "KB", ({ rss }) => rss / 1_000, {
      value: { most: 12 },
    }),
    beside("bareSockets", "… of it in the heap and what it refers to", "KB", ({ heap }) => heap / 1_000),
    beside("bareSockets", `publish → frame p50, ${at}`, "ms", ({ p50 }) => p50),
    beside("bareSockets", `publish → frame p99, ${at}`, "ms", ({ p99 }) => p99, atMost),
    beside("barePinging", `publish → frame p50, ${at}`, "ms", ({ p50 }) => p50),
    beside("barePinging", `publish → frame p99, ${at}`, "ms", ({ p99 }) => p99, atMost),
    beside("bareSockets", "sockets opened and welcomed", "sockets/s", ({ opened }) => opened),
  ]
}

/** What some of the servers cost, each run after the other, so that what disturbs the machine for a while does not hit one alone. */
export const measureSockets = async (
  some: ReadonlyArray<Server>,
  options: SocketsOptions,
  say: (line: string) => void,
): Promise<Readonly<Record<Server, ReadonlyArray<Measured>>>> => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(directory, 0o755)
  const postgres = await startPostgres({ directory: join(directory, "postgres"), fresh: true })
  try {
    const databaseUrl = await postgres.ensureDatabase("bench")
    const measured: Record<Server, Array<Measured>> = { pushHub: [], bareSockets: [], barePinging: [] }
    for (let run = 1; run <= options.runs; run++) {
      for (const server of some) {
        const result = await measure(server, databaseUrl, options)
        measured[server].push(result)
        const { rss, p50, p99, opened } = result
        say(
          `run ${run}: ${server} ${Math.round(rss)} bytes a socket, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ` +
            `${Math.round(opened)} opened a second`,
        )
      }
    }
    return measured
  } finally {
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

const measure = async (name: Server, databaseUrl: string, options: SocketsOptions): Promise<Measured> => {
  const bare = name !== "pushHub"
  const program = fileURLToPath(new URL(`./servers/${bare ? "bareSockets" : name}.js`, import.meta.url))
  const env = { ...process.env, DATABASE_URL: databaseUrl, ...(name === "barePinging" ? { PINGS: "yes" } : {}) }
  const server = fork(program, { execArgv: ["--expose-gc"], env, stdio: ["ignore", "ignore", "inherit", "ipc"] })
  try {
    const { port } = await answer(server, "Listening")
    const before = await ask(server, { _tag: "Memory" }, "Memory")
    const start = performance.now()
    const clients = await openSockets({ port, users: options.sockets, slowEach })
    const opened = (options.sockets * 1_000) / (performance.now() - start)
    const { rss, heap } = await ask(server, { _tag: "Memory" }, "Memory")
    const publish = (seconds: number): Request => ({
      _tag: "Publish",
      users: options.sockets,
      perSecond: options.perSecond,
      seconds,
    })
    await ask(server, publish(options.warmUpSeconds), "Published")
    clients.take()
    await ask(server, publish(options.seconds), "Published")
    // The last ones are on their way.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const latencies = Float64Array.from(clients.take()).sort()
    const expected = options.perSecond * options.seconds * (1 - 1 / slowEach)
    if (clients.ended() > 0) throw new Error(`${clients.ended()} sockets of ${name} ended by themselves`)
    if (latencies.length < expected * 0.99) throw new Error(`${name} told ${latencies.length} frames of ${expected}`)
    clients.close()
    const quantile = (p: number) => latencies[Math.floor(latencies.length * p)] ?? Number.NaN
    return {
      rss: (rss - before.rss) / options.sockets,
      heap: (heap - before.heap) / options.sockets,
      p50: quantile(0.5),
      p99: quantile(0.99),
      opened,
    }
  } finally {
    server.disconnect()
    await new Promise((resolve) => {
      if (server.exitCode !== null || server.signalCode !== null) return resolve(undefined)
      server.once("exit", resolve)
      setTimeout(() => server.kill("SIGKILL"), 10_000).unref()
    })
  }
}

type Answer<Tag extends Response["_tag"]> = Extract<Response, { readonly _tag: Tag }>

const answer = <Tag extends Response["_tag"]>(server: ChildProcess, tag: Tag): Promise<Answer<Tag>> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`the server ended with code ${code}`))
    server.once("exit", onExit)
    server.once("message", (response: Response) => {
      server.off("exit", onExit)
      if (response._tag === tag) resolve(response as Answer<Tag>)
      else reject(new Error(`the server answered ${response._tag} instead of ${tag}`))
    })
  })

const ask = <Tag extends Response["_tag"]>(server: ChildProcess, request: Request, tag: Tag): Promise<Answer<Tag>> => {
  const answered = answer(server, tag)
  server.send(request)
  return answered
}
