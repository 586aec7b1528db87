import { Effect, Layer } from "effect"
import { Broker, type TopicSpec } from "./Broker.js"
import * as RetrySchedules from "./RetrySchedules.js"

/**
 * Makes the topics that are missing, in the background and for as long as it takes: a service starts and takes orders while
 * its broker is away.
 */
export const layer = (topics: ReadonlyArray<TopicSpec>): Layer.Layer<never, never, Broker> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.ensureTopics(topics).pipe(
        Effect.tapError((fault) => Effect.logDebug(`the topics are not there yet: ${fault.message}`)),
        Effect.retry(RetrySchedules.subscription),
        Effect.forkScoped,
      )
    }),
  )
