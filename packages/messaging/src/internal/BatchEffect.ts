import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as DeadLetters from "../DeadLetters.js"
import type { Attempt, Handling, Incoming } from "../Handling.js"
import * as Inbox from "../Inbox.js"
import { guardDefects, transaction } from "../Transaction.js"
import type { ConsumerMetrics } from "./ConsumerMetrics.js"

/** A batch after reading: what makes sense and what does not, both in order. */
export interface Work<A> {
  readonly incoming: ReadonlyArray<Incoming<A>>
  readonly unreadable: ReadonlyArray<DeadLetters.DeadLetter>
}

/** Who gives a batch its effect. */
interface Settling<A, E, R> {
  readonly options: Handling<A, E, R>
  readonly metrics: ConsumerMetrics
}

/** The first time in one statement, if there is such a way; otherwise in a transaction. Then what comes after the commit. */
export const once = <A, E, R>(run: Settling<A, E, R>, work: Work<A>, attempt: Attempt) =>
  attempt.number > 0 || work.unreadable.length > 0
    ? inTransaction(run, work, attempt)
    : Effect.flatMap(
        inOneStatement(run, work),
        Option.getOrElse(() => inTransaction(run, work, attempt)),
      )

const inOneStatement = <A, E, R>({ options, metrics }: Settling<A, E, R>, { incoming }: Work<A>) =>
  Effect.gen(function* () {
    if (options.inOneStatement === undefined) return Option.none()
    const messages = firstOfEach(incoming)
    if (!isNonEmptyReadonlyArray(messages)) return Option.none()
    const ids = messages.map((message) => message.id)
    const inbox = Inbox.entry(yield* SqlClient.SqlClient, options.name, ids)
    const done = yield* guardDefects(options.inOneStatement(messages, inbox))
    const counted = metrics.committed({ duplicates: incoming.length - messages.length, dead: 0 })
    return Option.map(done, (afterCommit) => Effect.zipRight(counted, afterCommit))
  })

/** Inbox, handler, dead letters. */
const inTransaction = <A, E, R>(
  { options, metrics }: Settling<A, E, R>,
  { incoming, unreadable }: Work<A>,
  attempt: Attempt,
) =>
  Effect.flatten(
    transaction(
      Effect.gen(function* () {
        yield* DeadLetters.add(options.name, unreadable)
        const nothingNew = metrics.committed({ duplicates: incoming.length, dead: unreadable.length })
        if (incoming.length === 0) return nothingNew
        const admitted = yield* Inbox.admit(
          options.name,
          incoming.map((message) => message.id),
        )
        const fresh = firstOfEach(incoming).filter((message) => admitted.has(message.id))
        if (!isNonEmptyReadonlyArray(fresh)) return nothingNew
        const { rejected, afterCommit } = yield* options.handler(fresh, attempt)
        if (rejected.length > 0) {
          yield* Inbox.withdraw(
            options.name,
            rejected.map(({ message }) => message.id),
          )
          yield* DeadLetters.add(
            options.name,
            rejected.map(({ message, reason }) => ({
              message: message.received,
              error: reason,
              attempts: attempt.number + 1,
            })),
          )
        }
        return Effect.zipRight(
          metrics.committed({
            duplicates: incoming.length - fresh.length,
            dead: unreadable.length + rejected.length,
          }),
          afterCommit,
        )
      }),
    ),
  )

const firstOfEach = <A>(messages: ReadonlyArray<Incoming<A>>): ReadonlyArray<Incoming<A>> => {
  const seen = new Set<string>()
  return messages.filter((message) => !seen.has(message.id) && seen.add(message.id))
}
