import { type ChildProcess, spawn } from "node:child_process"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { ask, until } from "./server.js"

const complete = { DATABASE_URL: "postgres://me:sesame@db/orders", BROKER_URL: "kafka://h1:9092" }

interface Running {
  readonly process: ChildProcess
  readonly exit: Effect.Effect<number | null>
  stdout: string
  stderr: string
}

const start = (variables: Readonly<Record<string, string>>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [fileURLToPath(new URL("fixtures/service.mjs", import.meta.url))], {
          env: { PATH: process.env["PATH"] ?? "", ...variables },
          stdio: ["ignore", "pipe", "pipe"],
        }),
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    ),
    (child) => {
      const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)))
      const running: Running = { process: child, exit: Effect.promise(() => exited), stdout: "", stderr: "" }
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        running.stdout += text
      })
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        running.stderr += text
      })
      return running
    },
  )

const entries = ({ stdout }: Running): ReadonlyArray<{ readonly message: string; readonly [name: string]: unknown }> =>
  stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]))

const messages = (running: Running) => entries(running).map(({ message }) => message)

it.scopedLive("a service says that it is ready when it answers, and SIGTERM ends it with 0, the last built first", () =>
  Effect.gen(function* () {
    const service = yield* start({ ...complete, HOST: "" })
    yield* until(() => service.stdout.includes("Started App"))
    const port = Number(entries(service).at(-1)?.["port"])
    expect((yield* ask(port, "/health/ready")).status).toBe(200)
    expect(JSON.parse((yield* ask(port, "/greeting")).text)).toBe("hello")
    service.process.kill("SIGTERM")
    expect(yield* service.exit).toBe(0)
    expect(messages(service)).toEqual(["below is up", "Started App", "below is down"])
    expect(service.stderr).toBe("")
  }),
)

it.scopedLive("a wrong configuration is told whole, features included, and ends with 1", () =>
  Effect.gen(function* () {
    const service = yield* start({ BROKER_URL: "sesame", FEATURE_SIZE: "sesame", LOG_LEVEL: "sesame" })
    expect(yield* service.exit).toBe(1)
    const lines = service.stderr.trimEnd().split("\n")
    expect(lines[0]).toBe("fixture-service cannot start, its configuration is wrong:")
    expect(lines.slice(1).map((line) => line.trim().split(" ")[0])).toEqual([
      "DATABASE_URL",
      "BROKER_URL",
      "FEATURE_SIZE",
      "LOG_LEVEL",
    ])
    expect(service.stderr).not.toMatch(/sesame|\bat /)
    expect(service.stdout).toBe("")
  }),
)

it.scopedLive("a port in use is one sentence and 1, after what was built is ended", () =>
  Effect.gen(function* () {
    const other = yield* Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close()),
    )
    const address = other.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const service = yield* start({ ...complete, PORT: String(port) })
    expect(yield* service.exit).toBe(1)
    expect(service.stderr).toBe(
      `fixture-service cannot start:\nSomething else listens on port ${port} of 127.0.0.1 already: stop it, or choose another PORT.\n`,
    )
    expect(messages(service)).toEqual(["below is up", "below is down"])
  }),
)

it.scopedLive("a bug at the start goes to the log with its cause, and ends with 1", () =>
  Effect.gen(function* () {
    const service = yield* start({ ...complete, BROKEN: "yes" })
    expect(yield* service.exit).toBe(1)
    expect(service.stderr).toBe("fixture-service stopped for an unexpected reason, which is in its log.\n")
    expect(service.stdout).toContain("a bug")
  }),
)

it.scopedLive("on request the log is made for people", () =>
  Effect.gen(function* () {
    const service = yield* start({ ...complete, LOG_FORMAT: "pretty" })
    yield* until(() => service.stdout.includes("Started App"))
    expect(service.stdout).not.toMatch(/^\{/m)
    expect(service.stdout.split("Started App").length).toBe(2)
    service.process.kill("SIGINT")
    expect(yield* service.exit).toBe(0)
  }),
)
