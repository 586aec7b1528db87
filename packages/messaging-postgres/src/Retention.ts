import { Duration, Effect, Schedule, type Scope } from "effect"
import type { BrokerDatabase } from "./BrokerDatabase.js"
import * as GroupTable from "./GroupTable.js"
import * as TopicTable from "./TopicTable.js"

/** The most records of one partition that a statement deletes, so that it holds its locks for milliseconds. */
const recordsAtOnce = 500

/**
 * Deletes what is older than its topic keeps it, at once and then every `interval` (jittered), for as long as the scope. A round that
 * fails is logged and made good by the next.
 */
export const run = (
  { maintenance, run }: BrokerDatabase,
  interval: Duration.DurationInput,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* run(GroupTable.forgetTheDead(maintenance))
    let deleted = 0
    do {
      deleted = yield* run(TopicTable.deleteExpired(maintenance, recordsAtOnce))
    } while (deleted > 0)
  }).pipe(
    Effect.catchAll((fault) => Effect.logDebug("the broker's old records could not be deleted this time", fault)),
    Effect.repeat(Schedule.jittered(Schedule.spaced(Duration.decode(interval)))),
    Effect.withTracerEnabled(false),
    Effect.forkScoped,
    Effect.asVoid,
  )
