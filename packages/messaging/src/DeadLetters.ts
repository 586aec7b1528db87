import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import { Effect, Option } from "effect"
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
        ${letters.map((letter) => legible(letter.error))}::text[],
        ${letters.map((letter) => letter.attempts)}::integer[]
      ) AS letter (topic, partition, message_offset, key, value, headers, error, attempts)
      ORDER BY topic, partition, message_offset
      ON CONFLICT (consumer, topic, partition, message_offset) DO NOTHING`
  })

/** Where a dead letter stands. The last two are for ever. */
export type Status = "pending" | "replay-requested" | "replayed" | "discarded"

/** A dead letter as it is kept. */
export interface KeptLetter {
  readonly id: string
  readonly consumer: string
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  readonly error: string
  readonly attempts: number
  readonly status: Status
  readonly deadAt: Date
}

/** What was done about a dead letter. */
export interface Action {
  readonly action: "replay-requested" | "replayed" | "replay-failed" | "discarded"
  /** Whoever did it; the consumer's name for what the consumer did. */
  readonly actor: string
  readonly reason: string | null
  readonly at: Date
}

/** Which letters. */
export interface Filter {
  readonly consumer?: string
  readonly topic?: string
  readonly status?: Status
  /** Only those that died at or after this moment. */
  readonly since?: Date
  /** Only those after this one, for the next page. */
  readonly after?: string
  /** The most letters. */
  readonly limit: number
}

const columns = (sql: SqlClient.SqlClient) =>
  sql`id, consumer, topic, partition, message_offset AS "offset", key, value, headers, error, attempts, status,
    dead_at AS "deadAt"`

/** Letters by id, which is by age, the oldest first. */
export const list = (
  filter: Filter,
): Effect.Effect<ReadonlyArray<KeptLetter>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* sql<KeptLetter>`
      SELECT ${columns(sql)} FROM dead_letters
      WHERE id > ${filter.after ?? "0"}::bigint
        ${filter.consumer === undefined ? sql`` : sql`AND consumer = ${filter.consumer}`}
        ${filter.topic === undefined ? sql`` : sql`AND topic = ${filter.topic}`}
        ${filter.status === undefined ? sql`` : sql`AND status = ${filter.status}`}
        ${filter.since === undefined ? sql`` : sql`AND dead_at >= ${filter.since.toISOString()}::timestamptz`}
      ORDER BY id LIMIT ${filter.limit}`
  })

/** One letter; none when there is no such id. */
export const find = (id: string): Effect.Effect<Option.Option<KeptLetter>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<KeptLetter>`SELECT ${columns(sql)} FROM dead_letters WHERE id = ${id}::bigint`
    return Option.fromNullable(rows[0])
  })

/** What was done about a letter, oldest first. */
export const actions = (id: string): Effect.Effect<ReadonlyArray<Action>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* sql<Action>`SELECT action, actor, reason, at FROM dead_letter_actions WHERE letter_id = ${id}::bigint ORDER BY id`
  })

/**
 * Asks the consumers of these letters to replay them; only marks, the consumer does it. Answers the ids that were marked: those that were
 * pending. Recorded.
 */
export const requestReplay = (
  ids: ReadonlyArray<string>,
  actor: string,
): Effect.Effect<ReadonlyArray<string>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly id: string }>`
      WITH marked AS (
        UPDATE dead_letters SET status = 'replay-requested'
        WHERE id = ANY(${[...ids]}::bigint[]) AND status = 'pending'
        RETURNING id
      ), recorded AS (
        INSERT INTO dead_letter_actions (letter_id, action, actor) SELECT id, 'replay-requested', ${actor} FROM marked
      )
      SELECT id FROM marked ORDER BY id`
    return rows.map(({ id }) => id)
  })

/** Gives letters up for good, for a reason. Answers the ids that were discarded: those that were not resolved before. Recorded. */
export const discard = (
  ids: ReadonlyArray<string>,
  actor: string,
  reason: string,
): Effect.Effect<ReadonlyArray<string>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly id: string }>`
      WITH gone AS (
        UPDATE dead_letters SET status = 'discarded', resolved_at = clock_timestamp()
        WHERE id = ANY(${[...ids]}::bigint[]) AND resolved_at IS NULL
        RETURNING id
      ), recorded AS (
        INSERT INTO dead_letter_actions (letter_id, action, actor, reason)
        SELECT id, 'discarded', ${actor}, ${reason} FROM gone
      )
      SELECT id FROM gone ORDER BY id`
    return rows.map(({ id }) => id)
  })

/**
 * The next letter that is to be replayed, locked until the end of the caller's transaction; those that another instance works on are left
 * out.
 */
export const nextToReplay = (
  consumer: string,
): Effect.Effect<Option.Option<KeptLetter>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<KeptLetter>`
      SELECT ${columns(sql)} FROM dead_letters
      WHERE consumer = ${consumer} AND status = 'replay-requested'
      ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`
    return Option.fromNullable(rows[0])
  })

/** The letter has had its effect, in this very transaction, or had it before, as `remark` says. Recorded. */
export const replayed = (letter: KeptLetter, remark: string | null) =>
  resolve(letter, (sql) => sql`status = 'replayed', resolved_at = clock_timestamp()`, "replayed", remark)

/** The letter cannot have its effect this time either: it is pending again, with the new error. Recorded. */
export const replayFailed = (letter: KeptLetter, error: string) =>
  resolve(
    letter,
    (sql) => sql`status = 'pending', attempts = attempts + 1, error = ${legible(error)}`,
    "replay-failed",
    legible(error),
  )

const resolve = (
  { id, consumer }: KeptLetter,
  change: (sql: SqlClient.SqlClient) => Statement.Fragment,
  action: Action["action"],
  reason: string | null,
): Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      WITH letter AS (
        UPDATE dead_letters SET ${change(sql)} WHERE id = ${id}::bigint AND status = 'replay-requested' RETURNING id
      )
      INSERT INTO dead_letter_actions (letter_id, action, actor, reason)
      SELECT id, ${action}, ${consumer}, ${reason} FROM letter`
  })

/** PostgreSQL's text holds no NUL, and a letter that cannot be kept would stop the partition. */
const legible = (error: string) => error.slice(0, 4_000).replaceAll("\u0000", "\ufffd")
