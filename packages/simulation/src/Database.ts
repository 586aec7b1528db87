import * as Reactivity from "@effect/experimental/Reactivity"
import { SqlClient, SqlError } from "@effect/sql"
import type { Connection } from "@effect/sql/SqlConnection"
import { PgClient } from "@effect/sql-pg"
import { PGlite, types } from "@electric-sql/pglite"
import { type MigrationNamespace, migrate } from "@tandem/messaging/Migrations"
import { Effect, Layer, type Scope, Stream } from "effect"
import type { Gate } from "./Gate.js"

/** As the driver of the services reads them: text, where a number could lose digits. */
const parsers = { [types.INT8]: (text: string) => text, [types.NUMERIC]: (text: string) => text }

/** The types of parameters that the services' statements have, their arrays too. */
const parameterTypes = [
  ...[
    types.BOOL,
    types.BYTEA,
    types.INT2,
    types.INT4,
    types.INT8,
    types.FLOAT8,
    types.NUMERIC,
    types.TEXT,
    types.VARCHAR,
  ],
  ...[types.UUID, types.TIMESTAMPTZ, types.INTERVAL, types.JSON, types.JSONB],
  // Arrays: boolean, bytea, smallint, integer, bigint, double precision, text, varchar, uuid, timestamptz, jsonb; and int8multirange.
  ...[1000, 1001, 1005, 1007, 1016, 1022, 1009, 1015, 2951, 1185, 3807, 4536],
]

/** Values go as text in PostgreSQL's own form, whatever the parameter's type. */
const serializers = Object.fromEntries(parameterTypes.map((type) => [type, String]))

const asText = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`
  if (typeof value === "boolean" || typeof value === "number" || typeof value === "bigint") return String(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return arrayText(value)
  return value ?? null
}

const arrayText = (values: ReadonlyArray<unknown>): string =>
  `{${values
    .map((value) => {
      if (value === null || value === undefined) return "NULL"
      if (Array.isArray(value)) return arrayText(value)
      return `"${String(asText(value)).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`
    })
    .join(",")}}`

/** How long PostgreSQL lets a session be silent in a transaction, in ms; as the services set it. */
const idleInTransaction = 3_000

/**
 * One service's database: PostgreSQL itself, compiled to WebAssembly, in this process and going by the simulated clock. It has one
 * session, so that transactions take turns; whoever is silent in one for too long loses it, as on a server.
 */
export class SimulatedDatabase {
  private readonly turn = Effect.unsafeMakeSemaphore(1)
  private readonly postgres: PGlite
  private readonly clean: string
  private resets = 0

  private constructor(postgres: PGlite, clean: string) {
    this.postgres = postgres
    this.clean = clean
  }

  /** A database with its tables, and what the migrations put into them. */
  static async open(namespaces: ReadonlyArray<MigrationNamespace>): Promise<SimulatedDatabase> {
    const postgres = await PGlite.create({ parsers })
    const database = new SimulatedDatabase(postgres, "")
    await Effect.runPromise(Effect.provide(migrate(namespaces), database.layer()))
    const { rows: tables } = await postgres.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE '%\\_migrations'`,
    )
    const filled: Array<string> = []
    for (const { name } of tables) {
      const { rows } = await postgres.query<{ filled: boolean }>(`SELECT EXISTS (SELECT FROM ${name}) AS filled`)
      if (rows[0]?.filled !== true) continue
      await postgres.exec(`CREATE SCHEMA IF NOT EXISTS beginning; CREATE TABLE beginning.${name} AS TABLE ${name}`)
      filled.push(`INSERT INTO ${name} OVERRIDING SYSTEM VALUE TABLE beginning.${name}`)
    }
    const clean = [
      // Past the triggers that guard the ledger.
      "SET session_replication_role = replica",
      `TRUNCATE ${tables.map(({ name }) => name).join(", ")} RESTART IDENTITY`,
      ...filled,
      "RESET session_replication_role",
    ].join(";")
    return new SimulatedDatabase(postgres, clean)
  }

  /** As it was when it was opened. */
  async reset(): Promise<void> {
    await this.postgres.exec(`ROLLBACK; ${this.clean}`)
    // Nothing else checkpoints here, and the log of what was written would grow in memory.
    if (++this.resets % 100 === 0) await this.postgres.exec("CHECKPOINT")
  }

  /** Looks at it, past everything. */
  async rows(text: string): Promise<ReadonlyArray<Record<string, string | null>>> {
    return (await this.postgres.query<Record<string, string | null>>(text)).rows
  }

  async close(): Promise<void> {
    await this.postgres.close()
  }

  /** A client of it, through the gate of an instance if there is one. */
  layer(gate?: Gate): Layer.Layer<SqlClient.SqlClient> {
    return Layer.effect(
      SqlClient.SqlClient,
      SqlClient.make({
        acquirer: Effect.succeed(this.connection(gate)),
        transactionAcquirer: this.session(gate),
        compiler: PgClient.makeCompiler(),
        spanAttributes: [],
      }),
    ).pipe(Layer.provide(Reactivity.layer))
  }

  private query(text: string, parameters: ReadonlyArray<unknown>, rowMode: "object" | "array" = "object") {
    return Effect.tryPromise({
      try: async () => {
        const values = parameters.map(asText)
        // A statement without parameters may be several.
        if (values.length === 0 && rowMode === "object") return (await this.postgres.exec(text)).at(-1)?.rows ?? []
        return (await this.postgres.query(text, values, { rowMode, serializers })).rows
      },
      catch: (cause) => new SqlError.SqlError({ cause, message: "Failed to execute statement" }),
    })
  }

  /** Each statement is a transaction of its own. */
  private connection(gate: Gate | undefined): Connection {
    const through = <A>(text: string, call: Effect.Effect<A, SqlError.SqlError>) =>
      gate === undefined
        ? this.turn.withPermits(1)(call)
        : gate.statement(text, this.turn.withPermits(1)(call), (ms) =>
            Effect.zipRight(Effect.sleep(ms), Effect.fail(ended)),
          )
    return connectionOf((text, parameters, rowMode) => through(text, this.query(text, parameters, rowMode)))
  }

  /** Others wait until its transaction is over. */
  private session(gate: Gate | undefined): Effect.Effect<Connection, SqlError.SqlError, Scope.Scope> {
    return Effect.map(
      Effect.acquireRelease(
        Effect.map(this.turn.take(1), () => ({ held: true, open: false })),
        (state) => this.giveUp(state),
      ),
      (state) => {
        const statement = (text: string, call: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>) => {
          const run = Effect.suspend(() => (state.held ? call : Effect.fail(ended)))
          return gate === undefined
            ? run
            : gate.statement(text, run, (ms) =>
                // Its rows are somebody else's before it speaks again, if it is silent for long.
                Effect.sleep(Math.min(ms, idleInTransaction)).pipe(
                  Effect.zipRight(this.giveUp(state)),
                  Effect.zipRight(Effect.sleep(Math.max(0, ms - idleInTransaction))),
                  Effect.zipRight(Effect.fail(ended)),
                ),
              )
        }
        return connectionOf((text, parameters, rowMode) =>
          statement(
            text,
            Effect.suspend(() => {
              if (text === "BEGIN") state.open = true
              if (text === "COMMIT" || text === "ROLLBACK") state.open = false
              return this.query(text, parameters, rowMode)
            }),
          ),
        )
      },
    )
  }

  private giveUp(state: { held: boolean; open: boolean }): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!state.held) return Effect.void
      state.held = false
      const rollback = state.open ? Effect.ignore(this.query("ROLLBACK", [])) : Effect.void
      return Effect.zipRight(rollback, Effect.asVoid(this.turn.release(1)))
    })
  }
}

/** 25P03, as the server says it. */
const ended = new SqlError.SqlError({
  cause: Object.assign(new Error("terminating connection due to idle-in-transaction timeout"), {
    severity: "FATAL",
    code: "25P03",
  }),
  message: "Failed to execute statement",
})

const connectionOf = (
  run: (
    text: string,
    parameters: ReadonlyArray<unknown>,
    rowMode?: "object" | "array",
  ) => Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>,
): Connection => {
  const execute: Connection["execute"] = (text, parameters, transform) =>
    Effect.map(run(text, parameters), (rows) =>
      transform === undefined ? rows : transform(rows as ReadonlyArray<object>),
    )
  return {
    execute,
    executeRaw: run,
    executeUnprepared: execute,
    executeValues: (text, parameters) =>
      Effect.map(run(text, parameters, "array"), (rows) => rows as ReadonlyArray<ReadonlyArray<unknown>>),
    executeStream: () => Stream.dieMessage("nothing is streamed here"),
  }
}
