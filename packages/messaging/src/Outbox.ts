import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import { Context, Data, Effect, Layer, Option, Queue } from "effect"
import { maximumMessageBytes, type OutgoingMessage } from "./Message.js"
import { transaction } from "./Transaction.js"

/** `Outbox.add` was called with no transaction open: the message would not share the fate of what it tells about. */
export class OutsideTransaction extends Data.TaggedError("OutsideTransaction") {
  override get message(): string {
    return "Outbox.add must run inside a transaction"
  }
}

/** A message is over `maximumMessageBytes`; no broker would take it, and it would hold up all behind it. */
export class MessageTooLarge extends Data.TaggedError("MessageTooLarge")<{
  readonly topic: string
  readonly bytes: number
}> {
  override get message(): string {
    return `a message for ${this.topic} has ${this.bytes} bytes; ${maximumMessageBytes} is the most`
  }
}

/** What `Outbox` gives. */
export interface OutboxService {
  /**
   * Writes messages into the caller's transaction. Fails with `OutsideTransaction` when there is none. Call `signal` after the
   * commit, or use `Outbox.transaction`, so that the relay in this process need not wait for its next poll.
   */
  readonly add: (
    messages: ReadonlyArray<OutgoingMessage>,
  ) => Effect.Effect<void, SqlError.SqlError | OutsideTransaction | MessageTooLarge>
  /**
   * The same as a piece of a single statement, which is a transaction by itself and half the cost of four round trips:
   * a data-modifying `outbox_rows AS (INSERT …)` to stand in the caller's own `WITH`. At least one message.
   */
  readonly cte: (messages: ReadonlyArray<OutgoingMessage>) => Effect.Effect<Statement.Fragment, MessageTooLarge>
  /** Tells the relay of this process that messages were committed. Cheap; several at once count as one. */
  readonly signal: Effect.Effect<void>
  /** Waits for the next signal; the relay's side. */
  readonly signalled: Effect.Effect<void>
}

/**
 * The transactional outbox: a message is written into `outbox_events` by the same transaction as the change that it tells
 * about, so either both happen or none. A `Relay` publishes it afterwards, at least once, in order per key.
 */
export class Outbox extends Context.Tag("@tandem/messaging/Outbox")<Outbox, OutboxService>() {
  /** Over the service's own `SqlClient`. */
  static readonly layer: Layer.Layer<Outbox, never, SqlClient.SqlClient> = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const signals = yield* Queue.sliding<void>(1)

      const rows = (messages: ReadonlyArray<OutgoingMessage>) =>
        Effect.map(
          encode(messages),
          ({ topics, keys, starts, lengths, bodies, headers }) =>
            sql`INSERT INTO outbox_events (topic, key, value, headers)
            SELECT topic, key, substring(${bodies}::bytea FROM start FOR length), headers::jsonb
            FROM unnest(${topics}::text[], ${keys}::text[], ${starts}::integer[], ${lengths}::integer[], ${headers}::text[])
              WITH ORDINALITY AS message (topic, key, start, length, headers, position)
            ORDER BY position`,
        )

      return Outbox.of({
        add: (messages) =>
          Effect.gen(function* () {
            const inside = yield* Effect.serviceOption(SqlClient.TransactionConnection)
            if (Option.isNone(inside)) return yield* new OutsideTransaction()
            if (messages.length > 0) yield* Effect.flatten(rows(messages))
          }),
        cte: (messages) => Effect.map(rows(messages), (insert) => sql`outbox_rows AS (${insert})`),
        signal: Queue.offer(signals, undefined),
        signalled: Queue.take(signals),
      })
    }),
  )

  /** Runs `body` in a transaction (see `transaction`) and signals the relay once it is committed. */
  static readonly transaction = <A, E, R>(
    body: Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | SqlError.SqlError, R | Outbox | SqlClient.SqlClient> =>
    Effect.tap(transaction(body), () => Effect.flatMap(Outbox, (outbox) => outbox.signal))
}

/** Bodies go as one value, in binary: in an array each would be written in hex and read again. */
const encode = (messages: ReadonlyArray<OutgoingMessage>) => {
  const topics: Array<string> = []
  const keys: Array<string | null> = []
  const starts: Array<number> = []
  const lengths: Array<number | null> = []
  const bodies: Array<Uint8Array> = []
  const headers: Array<string> = []
  let size = 0
  // Messages of one make share their headers.
  let last: OutgoingMessage["headers"] | undefined
  let header = ""
  for (const { topic, key, value, headers: given } of messages) {
    if (given !== last) {
      last = given
      header = JSON.stringify(given)
    }
    const bytes = (value?.byteLength ?? 0) + Buffer.byteLength(key ?? "") + Buffer.byteLength(header)
    if (bytes > maximumMessageBytes) return Effect.fail(new MessageTooLarge({ topic, bytes }))
    topics.push(topic)
    keys.push(key)
    // SQL counts from one.
    starts.push(size + 1)
    lengths.push(value?.byteLength ?? null)
    headers.push(header)
    if (value !== null) bodies.push(value)
    size += value?.byteLength ?? 0
  }
  return Effect.succeed({ topics, keys, starts, lengths, bodies: Buffer.concat(bodies, size), headers })
}
