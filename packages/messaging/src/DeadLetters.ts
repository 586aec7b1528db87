import { SqlClient, type SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { ReceivedMessage } from "./Message.js"

/** A message that cannot have its effect, and why. */
export interface DeadLetter {
  readonly message: ReceivedMessage
  readonly error: string
  /** How often it was tried. */
  readonly attempts: number
}

/**
 * Keeps messages in `dead_letters` with their bytes and origin. One letter a `(consumer, topic, partition, offset)`: the same
 * delivered again changes nothing.
 */
export const add = (
  consumer: string,
  letters: ReadonlyArray<DeadLetter>,
): Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    if (letters.length === 0) return
    const sql = yield* SqlClient.SqlClient
    // PostgreSQL's text holds no NUL, and a letter that cannot be kept would stop the partition.
    yield* sql`
      INSERT INTO dead_letters (consumer, topic, partition, message_offset, key, value, headers, error, attempts)
      SELECT ${consumer}, topic, partition, message_offset, key, value, headers::jsonb, error, attempts
      FROM unnest(
        ${letters.map((letter) => letter.message.topic)}::text[],
        ${letters.map((letter) => letter.message.partition)}::integer[],
        ${letters.map((letter) => letter.message.offset.toString())}::bigint[],
        ${letters.map((letter) => letter.message.key)}::bytea[],
        ${letters.map((letter) => letter.message.value)}::bytea[],
        ${letters.map((letter) => JSON.stringify(letter.message.headers).replaceAll("\\u0000", "\\ufffd"))}::text[],
        ${letters.map((letter) => letter.error.slice(0, 4_000).replaceAll("\u0000", "\ufffd"))}::text[],
        ${letters.map((letter) => letter.attempts)}::integer[]
      ) AS letter (topic, partition, message_offset, key, value, headers, error, attempts)
      ORDER BY topic, partition, message_offset
      ON CONFLICT (consumer, topic, partition, message_offset) DO NOTHING`
  })
