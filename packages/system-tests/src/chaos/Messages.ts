import { SqlClient } from "@effect/sql"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect, Schema } from "effect"

/** The `n`th message of its key, counted from 1. */
export class Counted extends Schema.TaggedClass<Counted>()("Counted", { key: Schema.String, n: Schema.Int }) {}

/** How they travel. */
export const events = CloudEvents.make({ source: "/chaos", schema: Counted })

/** Where the writers count. A key's row is locked until the commit, so that its messages are committed in their order. */
export const writerSchema: MigrationNamespace = {
  table: "chaos_migrations",
  migrations: {
    "0001_counters": Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`CREATE TABLE counters (key text PRIMARY KEY, n integer NOT NULL)`,
    ),
  },
}

/** Where the effects are, one row for each time that a message had its effect: nothing here would refuse a second one. */
export const effectSchema: MigrationNamespace = {
  table: "chaos_migrations",
  migrations: {
    "0001_effects": Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        CREATE TABLE effects (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, n integer NOT NULL
        )`,
    ),
  },
}
