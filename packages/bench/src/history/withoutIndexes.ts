import { Maintenance } from "@tandem/service-kit/Database"
import { Effect } from "effect"

/**
 * Runs `work`, which writes millions of rows, while its tables have neither keys nor indexes nor triggers; they are made again afterwards, each
 * in one pass over what is there instead of a descent for each row. What does not hold any more is refused then.
 */
export const withoutIndexes = <A, E, R>(tables: ReadonlyArray<string>, work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* Maintenance
    const constraints = yield* sql<{ readonly owner: string; readonly name: string; readonly definition: string }>`
      SELECT conrelid::regclass::text AS owner, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
      FROM pg_constraint
      WHERE contype IN ('p', 'u', 'f') AND (conrelid::regclass::text = ANY(${tables}) OR confrelid::regclass::text = ANY(${tables}))
      -- A foreign key goes before the key that it needs, and comes after it.
      ORDER BY contype <> 'f', conrelid`
    const indexes = yield* sql<{ readonly name: string; readonly definition: string }>`
      SELECT quote_ident(indexname) AS name, indexdef AS definition FROM pg_indexes
      WHERE tablename = ANY(${tables}) AND indexname NOT IN (SELECT conname FROM pg_constraint)`
    const triggers = (state: "DISABLE" | "ENABLE") =>
      Effect.forEach(tables, (table) => sql.unsafe(`ALTER TABLE ${table} ${state} TRIGGER USER`))

    yield* triggers("DISABLE")
    for (const { owner, name } of constraints) yield* sql.unsafe(`ALTER TABLE ${owner} DROP CONSTRAINT ${name}`)
    for (const { name } of indexes) yield* sql.unsafe(`DROP INDEX ${name}`)
    const done = yield* work
    yield* sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`SET LOCAL maintenance_work_mem = '1GB'`
        for (const { owner, name, definition } of constraints.toReversed()) {
          yield* sql.unsafe(`ALTER TABLE ${owner} ADD CONSTRAINT ${name} ${definition}`)
        }
        for (const { definition } of indexes) yield* sql.unsafe(definition)
      }),
    )
    yield* triggers("ENABLE")
    for (const table of tables) yield* sql.unsafe(`VACUUM (ANALYZE) ${table}`)
    return done
  })

/** Rows of one statement. */
const chunk = 500_000

/** Writes rows 0 to `rows` − 1 by statements of their own, two at a time, for two connections are there. */
export const inChunks = <A, E, R>(rows: number, write: (from: number, to: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: Math.ceil(rows / chunk) }, (_, n) => n * chunk),
    (from) => write(from, Math.min(rows, from + chunk) - 1),
    { concurrency: 2, discard: true },
  )
