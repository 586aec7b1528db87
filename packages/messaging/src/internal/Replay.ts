import { Buffer } from "node:buffer"
import { Cause, Data, Duration, Effect, Either, Option, Ref } from "effect"
import * as DeadLetters from "../DeadLetters.js"
import type { Handling } from "../Handling.js"
import * as Inbox from "../Inbox.js"
import type { ReceivedMessage } from "../Message.js"
import { transaction } from "../Transaction.js"
import { isDataFault } from "./DataFault.js"

/** How often a consumer looks for letters that somebody wants replayed. */
const interval = Duration.seconds(1)

const received = ({
  topic,
  partition,
  offset,
  key,
  value,
  headers,
  deadAt,
}: DeadLetters.KeptLetter): ReceivedMessage => ({
  topic,
  partition,
  offset: BigInt(offset),
  timestamp: deadAt.getTime(),
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers,
})

/** The letter's own transaction failed for a reason that lies in the letter. */
class Failed extends Data.TaggedError("Failed")<{
  readonly letter: DeadLetters.KeptLetter
  readonly cause: Cause.Cause<unknown>
}> {}

/**
 * Replays the letters that are marked for it, one after the other, beside the partitions: what a live message does, decode, inbox, handler,
 * and the mark, all in one transaction. So a replay has its effect once, whoever is killed in the middle and however many instances look.
 */
export const replayMarked = <A, E, R>(options: Handling<A, E, R>) =>
  Effect.gen(function* () {
    const technical = yield* Ref.make(0)

    const one = (letter: DeadLetters.KeptLetter) =>
      Effect.gen(function* () {
        const message = received(letter)
        const decoded = options.decode(message)
        if (Either.isLeft(decoded)) {
          yield* DeadLetters.replayFailed(letter, decoded.left.reason)
          return Effect.void
        }
        const admitted = yield* Inbox.admit(options.name, [decoded.right.id])
        if (admitted.size === 0) {
          yield* DeadLetters.replayed(letter, "it had had its effect already")
          return Effect.void
        }
        const incoming = { ...decoded.right, received: message }
        const { rejected, afterCommit } = yield* options.handler([incoming], { number: yield* Ref.get(technical) })
        const [rejection] = rejected
        if (rejection === undefined) {
          yield* DeadLetters.replayed(letter, null)
          return afterCommit
        }
        yield* Inbox.withdraw(options.name, [incoming.id])
        yield* DeadLetters.replayFailed(letter, rejection.reason)
        return afterCommit
      }).pipe(Effect.catchAllCause((cause) => Effect.fail(isDataFault(cause) ? new Failed({ letter, cause }) : cause)))

    /** Answers whether there was a letter. */
    const next = transaction(
      Effect.flatMap(DeadLetters.nextToReplay(options.name), (found) =>
        Option.match(found, {
          onNone: () => Effect.succeed(Option.none<Effect.Effect<void>>()),
          onSome: (letter) => Effect.asSome(one(letter)),
        }),
      ),
    ).pipe(
      Effect.flatMap(
        Option.match({ onNone: () => Effect.succeed(false), onSome: (afterCommit) => Effect.as(afterCommit, true) }),
      ),
      // What is in the letter will not pass the next time either: it is for somebody to look at again.
      Effect.catchIf(
        (fault): fault is Failed => fault instanceof Failed,
        ({ letter, cause }) => Effect.as(transaction(DeadLetters.replayFailed(letter, Cause.pretty(cause))), true),
      ),
      Effect.zipLeft(Ref.set(technical, 0)),
      Effect.uninterruptible,
    )

    return yield* Effect.repeat(next, { until: (there) => !there }).pipe(
      // The database is away, or the replay lost a race: it stays marked.
      Effect.catchAll((fault) =>
        Effect.zipRight(
          Ref.update(technical, (number) => number + 1),
          Effect.logDebug(`${options.name} replays again later`, fault),
        ),
      ),
      Effect.zipRight(Effect.sleep(interval)),
      Effect.forever,
    )
  })
