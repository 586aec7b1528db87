import { Effect, type Either, type Option } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Decoded, UnreadableMessage } from "./CloudEvents.js"
import type { Entry } from "./Inbox.js"
import type { ReceivedMessage } from "./Message.js"

/** A message that the inbox had not seen, as the handler gets it. */
export interface Incoming<A> extends Decoded<A> {
  readonly received: ReceivedMessage
}

/** A message that says something impossible, such as a result for what was never asked. It becomes a dead letter. */
export interface Rejection<A> {
  readonly message: Incoming<A>
  readonly reason: string
}

/** What a handler answers. */
export interface Handled<A> {
  /** Set aside as dead letters, in the same transaction and without an inbox entry, so that a replay finds them new. */
  readonly rejected: ReadonlyArray<Rejection<A>>
  /** Runs once after the commit: a hint to somebody who can do without it, for a crash in between loses it. */
  readonly afterCommit: Effect.Effect<void>
}

/** What a handler answers that did its work: nothing to set aside, nothing to do after the commit. */
export const handled: Handled<never> = { rejected: [], afterCommit: Effect.void }

/** How often the handler was tried with these messages before; 0 the first time. */
export interface Attempt {
  readonly number: number
}

/** What a consumer does with a message, whether it comes from the broker or from the dead letters. */
export interface Handling<A, E, R> {
  /** The name in inbox and dead letters, and the consumer group at the broker. Never change it: a new name has seen nothing. */
  readonly name: string
  readonly decode: (message: ReceivedMessage) => Either.Either<Decoded<A>, UnreadableMessage>
  /**
   * Gives the messages their effect, inside the transaction that enters them in the inbox; in order per partition, each once.
   * A failure rolls all back and the batch is tried again, for ever, unless it is the fault of the data (SQLSTATE class 22,
   * 23514, or a defect): then each message is tried in a transaction of its own and the culprits become dead letters.
   * Must be idempotent by its business key as well: inbox entries are not kept for ever.
   */
  readonly handler: (messages: NonEmptyReadonlyArray<Incoming<A>>, attempt: Attempt) => Effect.Effect<Handled<A>, E, R>
  /**
   * The usual case in two round trips instead of four; `handler` does whatever this leaves to it. Tried first, on messages that are new as far
   * as is known, and outside of a transaction: reads what it needs, then gives all of the messages their effect by a single statement with
   * `inbox.cte` in its WITH and `inbox.confirm` among its columns. Answers what to do after the commit; none when it has written nothing.
   * When it fails, nothing was written, or all of it: the messages go to `handler`, which sees those that the inbox has not.
   */
  readonly inOneStatement?: (
    messages: NonEmptyReadonlyArray<Incoming<A>>,
    inbox: Entry,
  ) => Effect.Effect<Option.Option<Effect.Effect<void>>, E, R>
}
