import { NodeRuntime } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import * as Consumer from "@tandem/messaging/Consumer"
import { Effect, Layer, Random } from "effect"
import { broker, database, environment } from "./Environment.js"
import { effectSchema, events } from "./Messages.js"

const { DATABASE_URL, BROKER_URL, TOPIC } = environment()

Consumer.layer({
  name: `consumers-of-${TOPIC}`,
  topics: [TOPIC],
  decode: events.decode,
  maxBatchMessages: 100,
  handler: (messages) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const payloads = messages.map(({ payload }) => payload)
      // Most effects take their time, so that offsets are stored and processes die in the middle of them.
      if ((yield* Random.next) < 0.6) yield* Effect.sleep(yield* Random.nextIntBetween(100, 900))
      yield* sql`
        INSERT INTO effects (key, n)
        SELECT key, n FROM unnest(${payloads.map(({ key }) => key)}::text[], ${payloads.map(({ n }) => n)}::integer[])
          WITH ORDINALITY AS counted (key, n, position)
        ORDER BY position`
      return Consumer.handled
    }),
}).pipe(
  Layer.provide(broker(BROKER_URL)),
  Layer.provide(database(DATABASE_URL, [effectSchema])),
  Layer.launch,
  NodeRuntime.runMain,
)
