import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect, Schema } from "effect"

/** Somebody signed up. Topic `signups`, key: the name. */
export class SignedUp extends Schema.TaggedClass<SignedUp>()("SignedUp", { name: Schema.NonEmptyString }) {}

/** The service's own tables: who signed up, and who was welcomed how often. */
export const signupsSchema: MigrationNamespace = {
  table: "signups_migrations",
  migrations: {
    "0001_signups": Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE signups (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())`
      yield* sql`CREATE TABLE welcomes (name text PRIMARY KEY, times integer NOT NULL)`
    }),
  },
}

/** Answers false when the name has signed up before. */
export const insertSignup = (name: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql`INSERT INTO signups (name) VALUES (${name}) ON CONFLICT DO NOTHING RETURNING name`
    return rows.length === 1
  })

/** Counts a welcome for each of them. It would count twice what is handled twice: only the inbox keeps it right. */
export const insertWelcomes = (names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO welcomes (name, times)
      SELECT name, count(*) FROM unnest(${[...names]}::text[]) AS name GROUP BY name ORDER BY name
      ON CONFLICT (name) DO UPDATE SET times = welcomes.times + excluded.times`
  })

/** Everybody who was welcomed, by name. */
export const listWelcomes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly name: string; readonly times: number }>`SELECT name, times FROM welcomes ORDER BY name`
})
