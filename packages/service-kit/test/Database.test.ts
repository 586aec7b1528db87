import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SqlClient, SqlError } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { transaction } from "@tandem/messaging/Transaction"
import * as Database from "@tandem/service-kit/Database"
import { HealthChecks } from "@tandem/service-kit/Health"
import { isTechnical, isUnreachable, sqlState } from "@tandem/service-kit/SqlFaults"
import { Array, Context, Deferred, Effect, Fiber, Layer, Logger, Redacted, Schedule } from "effect"
import { until } from "./server.js"

const things: MigrationNamespace = {
  table: "things_migrations",
  migrations: {
    "0001_things": Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE things (id integer PRIMARY KEY)`
      yield* sql`INSERT INTO things VALUES (1)`
    }),
  },
}

const ownDatabase = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => createTestDatabase()),
    ({ drop }) => Effect.promise(() => drop()),
  ),
  ({ url }) => url,
)

const connect = (url: string, namespaces = [things]) =>
  Layer.build(
    Layer.fresh(
      Database.layer({ url: Redacted.make(url), applicationName: "kit-test", maxConnections: 3 }, namespaces),
    ).pipe(Layer.provideMerge(HealthChecks.layer)),
  )

const settings = (sql: SqlClient.SqlClient) =>
  sql<Record<string, string>>`
    SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
      current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('application_name') AS name`

it.scopedLive("requests have connections with timeouts, maintenance has some without", () =>
  Effect.gen(function* () {
    const context = yield* connect(yield* ownDatabase)
    const requests = Context.get(context, SqlClient.SqlClient)
    expect(yield* settings(requests)).toEqual([{ statement: "10s", lock: "3s", idle: "3s", name: "kit-test" }])
    expect(yield* requests`SELECT setting FROM pg_settings WHERE name = 'tcp_keepalives_idle'`).toEqual([
      { setting: "10" },
    ])
    const maintenance = Context.get(context, Database.Maintenance)
    expect(yield* settings(maintenance)).toEqual([{ statement: "0", lock: "0", idle: "0", name: "kit-test" }])
  }),
)

it.scopedLive("instances that start at once migrate once", () =>
  Effect.gen(function* () {
    const url = yield* ownDatabase
    const contexts = yield* Effect.all([connect(url), connect(url), connect(url), connect(url)], {
      concurrency: "unbounded",
    })
    for (const context of contexts) {
      expect(yield* Context.get(context, SqlClient.SqlClient)`SELECT id FROM things`).toEqual([{ id: 1 }])
    }
  }),
)

it.scopedLive("a database that refuses is told in a sentence, without the address", () =>
  Effect.gen(function* () {
    const url = yield* ownDatabase
    const elsewhere = new URL(url)
    elsewhere.pathname = "/no_such_database"
    const missing = yield* Effect.flip(connect(elsewhere.href))
    expect(missing.message).toBe('The database cannot be used: database "no_such_database" does not exist.')
    const broken: MigrationNamespace = {
      table: "broken_migrations",
      migrations: {
        "0001_broken": Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql`CREATE TABEL x ()`)),
      },
    }
    const failed = yield* Effect.flip(connect(url, [things, broken]))
    expect(failed.message).toBe('The database cannot be used: syntax error at or near "TABEL".')
  }),
)

it.scopedLive("a transaction that idles is ended by the server, so that its locks do not stay", () =>
  Effect.gen(function* () {
    const context = yield* connect(yield* ownDatabase)
    const frozen = yield* Deferred.make<void>()
    const holding = yield* Deferred.make<void>()
    const holder = yield* Effect.fork(
      transaction(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`SELECT id FROM things WHERE id = 1 FOR UPDATE`
          yield* Deferred.succeed(holding, undefined)
          yield* Deferred.await(frozen)
          return yield* sql`SELECT 1`
        }),
      ).pipe(Effect.provide(context)),
    )
    yield* Deferred.await(holding)
    const maintenance = Context.get(context, Database.Maintenance)
    // Waits for as long as the holder has the lock, which only the server can take from it.
    expect(yield* maintenance`SELECT id FROM things WHERE id = 1 FOR UPDATE`).toEqual([{ id: 1 }])
    yield* Deferred.succeed(frozen, undefined)
    const fault = yield* Effect.flip(Fiber.join(holder))
    expect(fault instanceof SqlError.SqlError && isTechnical(fault)).toBe(true)
  }),
)

it.scopedLive("faults are told apart: gone, passing by itself, or a bug of ours", () =>
  Effect.gen(function* () {
    const context = yield* connect(yield* ownDatabase)
    const sql = Context.get(context, SqlClient.SqlClient)
    const duplicate = yield* Effect.flip(sql`INSERT INTO things VALUES (1)`)
    expect([sqlState(duplicate), isTechnical(duplicate), isUnreachable(duplicate)]).toEqual(["23505", false, false])
    const slow = yield* Effect.flip(
      sql.reserve.pipe(
        Effect.flatMap((connection) =>
          Effect.zipRight(
            connection.execute("SET statement_timeout = 20", [], undefined),
            connection.execute("SELECT pg_sleep(5)", [], undefined),
          ),
        ),
        Effect.scoped,
      ),
    )
    expect([sqlState(slow), isTechnical(slow), isUnreachable(slow)]).toEqual(["57014", true, false])
    const killed = yield* Effect.flip(sql`SELECT pg_terminate_backend(pg_backend_pid())`)
    expect([isTechnical(killed), isUnreachable(killed)]).toEqual([true, true])
  }),
)

it.scopedLive(
  "a service waits for a database that is not there, says so once, and readiness follows the database",
  () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "tandem-kit-"))
      chmodSync(directory, 0o755)
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true, force: true })))
      const start = (port?: number) =>
        Effect.acquireRelease(
          Effect.promise(() => startPostgres({ directory, durable: false, ...(port === undefined ? {} : { port }) })),
          (server) => Effect.promise(() => server.stop()),
        )
      const first = yield* start()
      const { port } = first
      const url = yield* Effect.promise(() => first.ensureDatabase("orders"))
      yield* Effect.promise(() => first.stop())

      // Somebody who hangs up stands in, so that it can be seen how often the service has tried.
      let tries = 0
      const closed = createServer((socket) => {
        tries++
        socket.destroy()
      })
      yield* Effect.async<void>((resume) => {
        closed.listen(port, "127.0.0.1", () => resume(Effect.void))
      })
      let told = 0
      const ear = Logger.make(({ message }) => {
        if (Array.ensure(message)[0] === "waiting for the database") told++
      })
      const connecting = yield* Effect.fork(Effect.provide(connect(url), Logger.add(ear)))
      yield* until(() => tries >= 3)
      yield* Effect.async<void>((resume) => {
        closed.close(() => resume(Effect.void))
      })
      const second = yield* start(port)
      const context = yield* Fiber.join(connecting)
      expect(told).toBe(1)
      const { readiness } = Context.get(context, HealthChecks)
      const becomes = (up: boolean) =>
        readiness.pipe(
          Effect.repeat({ until: ({ database }) => database === up, schedule: Schedule.spaced("50 millis") }),
          Effect.timeout("20 seconds"),
        )
      expect(yield* readiness).toEqual({ database: true })
      yield* Effect.promise(() => second.stop())
      yield* becomes(false)
      yield* start(port)
      yield* becomes(true)
    }),
)
