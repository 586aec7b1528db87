import { SqlClient } from "@effect/sql"
import { it } from "@effect/vitest"
import * as Retention from "@tandem/messaging/Retention"
import { Effect, Layer } from "effect"
import { expect } from "vitest"
import { database, until } from "./database.js"

const count = (table: "inbox_events" | "dead_letters") =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql<{ n: string }>`SELECT count(*) AS n FROM ${sql(table)}`, ([row]) => Number(row?.n)),
  )

const fill = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO inbox_events (consumer, message_id, received_at)
    SELECT 'c', 'old-' || n, now() - interval '36 days' FROM generate_series(1, 5000) AS n`
  yield* sql`
    INSERT INTO inbox_events (consumer, message_id, received_at)
    SELECT 'c', 'new-' || n, now() - interval '34 days' FROM generate_series(1, 100) AS n`
  yield* sql`
    INSERT INTO dead_letters (
      consumer, topic, partition, message_offset, headers, error, attempts, dead_at, status, resolved_at
    )
    SELECT 'c', 't', 0, n, '{}', 'e', 1, now() - interval '400 days', status,
      CASE WHEN status IN ('replayed', 'discarded') THEN now() - make_interval(days => age) END
    FROM (VALUES
      (1, 'pending', 0), (2, 'replay-requested', 0), (3, 'replayed', 91), (4, 'discarded', 91), (5, 'replayed', 89)
    ) AS letter (n, status, age)`
  yield* sql`
    INSERT INTO dead_letter_actions (letter_id, action, actor) SELECT id, 'replayed', 'c' FROM dead_letters WHERE status = 'replayed'`
})

it.scopedLive("forgets old inbox ids and resolved letters, and nothing else", () =>
  Effect.gen(function* () {
    yield* fill
    expect(yield* Retention.clean()).toEqual({ ids: 5_000, letters: 2 })
    expect(yield* count("inbox_events")).toBe(100)
    const sql = yield* SqlClient.SqlClient
    const kept = yield* sql<{ n: string }>`SELECT message_offset AS n FROM dead_letters ORDER BY 1`
    expect(kept.map(({ n }) => n)).toEqual(["1", "2", "5"])
    expect(yield* Retention.clean()).toEqual({ ids: 0, letters: 0 })
  }).pipe(Effect.provide(database)),
)

it.scopedLive("goes on by itself, with what it is told to keep", () =>
  Effect.gen(function* () {
    yield* fill
    yield* Layer.build(Retention.layer({ inbox: "1 day", deadLetters: "1 day", interval: "50 millis" }))
    yield* until(Effect.map(count("inbox_events"), (n) => n === 0))
    yield* until(Effect.map(count("dead_letters"), (n) => n === 2))
    yield* fill.pipe(Effect.ignore)
    yield* until(Effect.map(count("inbox_events"), (n) => n === 0))
  }).pipe(Effect.provide(database)),
)
