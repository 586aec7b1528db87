import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

/** The most orders that one statement looks at. */
const span = 20_000

/** An order's id is drawn before its row is there, by a clock of its own: nothing younger than this, in ms, is given up for seen. */
const margin = 60_000

/** The lowest UUIDv7 of a moment in ms. */
const idAt = (milliseconds: number): string => {
  const hex = Math.max(0, Math.floor(milliseconds)).toString(16).padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

/**
 * Orders placed before `cutoff` (ms since the epoch) that have had no answer and have not asked for anything else, oldest first, locked;
 * those that somebody else works on are left out. Empty as well when a further stretch is to be looked at: `done` tells.
 *
 * Ids are UUIDv7, so that age is a range of the primary key; `first_answers` remembers below which id nothing is left to find.
 */
export const withoutAny = (cutoff: number, limit: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly below: string }>`SELECT below FROM first_answers`
    const below = rows[0]?.below ?? idAt(0)
    const found = yield* sql<{ readonly id: string }>`
      SELECT orders.id FROM orders
      JOIN (
        SELECT id FROM orders WHERE id >= ${below}::uuid AND id < ${idAt(cutoff)}::uuid ORDER BY id LIMIT ${span}
      ) AS stretch USING (id)
      WHERE status = 'NEW' AND cancel_asked_at IS NULL
      ORDER BY orders.id LIMIT ${limit} FOR NO KEY UPDATE OF orders SKIP LOCKED`
    const first = found[0]
    if (first !== undefined) {
      return { ids: found.map((row) => row.id), done: false }
    }
    const further = yield* sql<{ readonly id: string }>`
      SELECT id FROM orders WHERE id >= ${below}::uuid AND id < ${idAt(cutoff)}::uuid ORDER BY id OFFSET ${span - 1} LIMIT 1`
    // What is locked by somebody else is not found here, and must stay above.
    const open = yield* sql<{ readonly id: string }>`
      SELECT id FROM (
        SELECT id, status, cancel_asked_at FROM orders
        WHERE id >= ${below}::uuid AND id < ${idAt(cutoff)}::uuid ORDER BY id LIMIT ${span}
      ) AS stretch
      WHERE status = 'NEW' AND cancel_asked_at IS NULL ORDER BY id LIMIT 1`
    const reached = open[0]?.id ?? further[0]?.id ?? idAt(cutoff - margin)
    yield* sql`UPDATE first_answers SET below = ${reached}::uuid WHERE below < ${reached}::uuid`
    return { ids: [], done: further[0] === undefined || open[0] !== undefined }
  })
