import { Effect } from "effect"
import type { Finding } from "../domain/Finding.js"
import type { CannotCheck, Snapshot } from "./Snapshot.js"

/** Whether messages wait in a service's outbox for longer than `age` ms; one finding for all of them. */
export const checkOutbox = (
  service: string,
  { sql, read }: Snapshot,
  age: number,
): Effect.Effect<ReadonlyArray<Finding>, CannotCheck> =>
  Effect.map(
    read(sql<{ n: string; id: string | null; oldest: number | null }>`
      SELECT count(*) AS n, min(id) AS id, extract(epoch FROM now() - min(created_at))::float8 AS oldest
      FROM outbox_events WHERE created_at < now() - make_interval(secs => ${age / 1_000})`),
    ([row]) =>
      row === undefined || row.id === null
        ? []
        : [
            {
              kind: "stuck-outbox",
              ids: { service, outboxId: row.id },
              expected: `no message older than ${age / 1_000} s`,
              found: `${row.n} older ones, the first of them ${Math.round(row.oldest ?? 0)} s old`,
            },
          ],
  )

/** Messages of a service that were set aside and not dealt with yet. */
export const checkDeadLetters = (
  service: string,
  { sql, read }: Snapshot,
  limit: number,
): Effect.Effect<ReadonlyArray<Finding>, CannotCheck> =>
  Effect.map(
    read(sql<{ id: string; consumer: string; topic: string; partition: number; offset: string; error: string }>`
      SELECT id, consumer, topic, partition, message_offset AS offset, error FROM dead_letters
      WHERE resolved_at IS NULL ORDER BY id LIMIT ${limit}`),
    (rows) =>
      rows.map(({ id, consumer, topic, partition, offset, error }) => ({
        kind: "dead-letter",
        ids: { service, letterId: id, consumer },
        expected: "every message to have its effect",
        found: `${topic}, partition ${partition}, offset ${offset} was set aside: ${error}`,
      })),
  )
