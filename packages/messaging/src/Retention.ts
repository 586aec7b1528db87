import { SqlClient } from "@effect/sql"
import { Duration, Effect, Layer } from "effect"
import * as RetrySchedules from "./RetrySchedules.js"
import { guardDefects } from "./Transaction.js"

/** How long what is done with is kept. */
export interface RetentionOptions {
  /**
   * Inbox ids. Longer than the topics keep their messages, or a message that is delivered again after it finds its id forgotten, and only
   * the handler's own idempotence is left; 35 days when absent.
   */
  readonly inbox?: Duration.DurationInput
  /** Dead letters, from the day on which they were replayed or discarded; 90 days when absent. One that is not resolved is kept for ever. */
  readonly deadLetters?: Duration.DurationInput
  /** The pause between two looks; a minute when absent. */
  readonly interval?: Duration.DurationInput
}

/** Rows of one statement: few enough that nobody waits for it. */
const batch = 2_000

const cutoff = (kept: Duration.DurationInput) => `${Duration.toSeconds(kept)} seconds`

/** Deletes until nothing old is left; answers how many rows are gone. */
const inBatches = <E, R>(once: Effect.Effect<ReadonlyArray<unknown>, E, R>) => {
  const rest = (gone: number): Effect.Effect<number, E, R> =>
    Effect.flatMap(once, (rows) =>
      rows.length < batch
        ? Effect.succeed(gone + rows.length)
        : Effect.zipRight(Effect.sleep("20 millis"), rest(gone + rows.length)),
    )
  return rest(0)
}

/** One look: deletes what is old by now, in small statements of their own. Answers how many rows are gone. */
export const clean = ({ inbox = "35 days", deadLetters = "90 days" }: RetentionOptions = {}) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const ids = yield* inBatches(sql`
      DELETE FROM inbox_events WHERE (consumer, message_id) IN (
        SELECT consumer, message_id FROM inbox_events
        WHERE received_at < clock_timestamp() - ${cutoff(inbox)}::interval ORDER BY received_at LIMIT ${batch}
      ) RETURNING 1`)
    const letters = yield* inBatches(sql`
      DELETE FROM dead_letters WHERE id IN (
        SELECT id FROM dead_letters
        WHERE resolved_at < clock_timestamp() - ${cutoff(deadLetters)}::interval ORDER BY resolved_at LIMIT ${batch}
      ) AND resolved_at IS NOT NULL RETURNING 1`)
    return { ids, letters }
  }).pipe(guardDefects)

/**
 * Keeps the kit's tables from growing for ever, for as long as the scope. Give it connections that no request waits for. Two instances do no
 * harm to each other. Faults are tried again.
 */
export const layer = (options: RetentionOptions = {}): Layer.Layer<never, never, SqlClient.SqlClient> =>
  clean(options).pipe(
    Effect.tap(({ ids, letters }) =>
      ids + letters === 0
        ? Effect.void
        : Effect.logDebug(`retention deleted ${ids} inbox ids and ${letters} resolved dead letters`),
    ),
    Effect.tapError((fault) => Effect.logDebug(`retention tries again: ${fault.message}`)),
    Effect.retry(RetrySchedules.subscription),
    Effect.zipRight(Effect.sleep(options.interval ?? "1 minute")),
    Effect.forever,
    Effect.withTracerEnabled(false),
    Effect.forkScoped,
    Layer.scopedDiscard,
  )
