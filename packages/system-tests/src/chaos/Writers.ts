import { SqlClient } from "@effect/sql"
import { Outbox } from "@tandem/messaging/Outbox"
import { Data, Effect, Layer } from "effect"
import { seeded } from "../Seeded.js"
import { database } from "./Environment.js"
import { Counted, events, writerSchema } from "./Messages.js"

/** How much is written, and for how long at least. */
export interface WriterOptions {
  readonly url: string
  readonly topic: string
  readonly seed: number
  readonly messages: number
  readonly keys: number
  /** The writing is spread over this, in ms. */
  readonly duration: number
}

class RolledBack extends Data.TaggedError("RolledBack") {}

const writers = 8

/**
 * Business changes with their messages, one key a transaction. Some transactions stay open for a while after they have drawn their ids, so
 * that others with higher ones are committed and read before; some are rolled back and leave gaps.
 */
const write = (options: WriterOptions) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const start = performance.now()
    let written = 0
    const one = (random: () => number) =>
      Outbox.transaction(
        Effect.gen(function* () {
          const key = `key-${Math.floor(random() * options.keys)}`
          const count = 1 + Math.floor(random() * 8)
          const rows = yield* sql<{ readonly n: number }>`
            INSERT INTO counters (key, n) VALUES (${key}, ${count})
            ON CONFLICT (key) DO UPDATE SET n = counters.n + excluded.n RETURNING n`
          const last = rows[0]?.n ?? 0
          const numbers = Array.from({ length: count }, (_, index) => last - count + 1 + index)
          yield* outbox.add(
            yield* Effect.forEach(numbers, (n) => events.encode(options.topic, key, new Counted({ key, n }))),
          )
          if (random() < 0.05) yield* Effect.sleep(50 + random() * 400)
          if (random() < 0.03) return yield* new RolledBack()
          return count
        }),
      ).pipe(Effect.catchTag("RolledBack", () => Effect.succeed(0)))
    yield* Effect.forEach(
      Array.from({ length: writers }, (_, writer) => seeded(options.seed * writers + writer)),
      (random) =>
        Effect.gen(function* () {
          while (written < options.messages) {
            const due = ((performance.now() - start) / options.duration) * options.messages
            if (written >= due) yield* Effect.sleep("5 millis")
            else {
              const count = yield* one(random)
              written += count
            }
          }
        }),
      { concurrency: writers, discard: true },
    )
  }).pipe(Effect.provide(Layer.provideMerge(Outbox.layer, database(options.url, [writerSchema]))))

/** Writes everything; rejects when the database does. */
export const runWriters = (options: WriterOptions): Promise<void> => Effect.runPromise(write(options))
