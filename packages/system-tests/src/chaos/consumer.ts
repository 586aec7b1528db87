import { NodeRuntime } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import * as Consumer from "@tandem/messaging/Consumer"
import { Effect, Layer, Option, Random } from "effect"
import { broker, database, environment } from "./Environment.js"
import { effectSchema, events } from "./Messages.js"

const { DATABASE_URL, BROKER_URL, TOPIC } = environment()

const write = (sql: SqlClient.SqlClient, payloads: ReadonlyArray<{ readonly key: string; readonly n: number }>) => sql`
  INSERT INTO effects (key, n)
  SELECT key, n FROM unnest(${payloads.map(({ key }) => key)}::text[], ${payloads.map(({ n }) => n)}::integer[])
    WITH ORDINALITY AS counted (key, n, position)
  ORDER BY position`

/** Most effects take their time, so that offsets are stored and processes die in the middle of them. */
const dawdle = Effect.gen(function* () {
  if ((yield* Random.next) < 0.6) yield* Effect.sleep(yield* Random.nextIntBetween(100, 900))
})

/** Half of the batches take the way of one statement, the others that of a transaction. */
Consumer.layer({
  name: `consumers-of-${TOPIC}`,
  topics: [TOPIC],
  decode: events.decode,
  maxBatchMessages: 100,
  handler: (messages) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* dawdle
      yield* write(
        sql,
        messages.map(({ payload }) => payload),
      )
      return Consumer.handled
    }),
  inOneStatement: (messages, inbox) =>
    Effect.gen(function* () {
      if ((yield* Random.next) < 0.5) return Option.none()
      const sql = yield* SqlClient.SqlClient
      yield* dawdle
      const effects = write(
        sql,
        messages.map(({ payload }) => payload),
      )
      yield* sql`
        WITH ${inbox.cte}, written AS (${effects}) SELECT ${inbox.confirm("nothing", sql`true`)} AS confirmed`
      return Option.some(Effect.void)
    }),
}).pipe(
  Layer.provide(broker(BROKER_URL)),
  Layer.provide(database(DATABASE_URL, [effectSchema])),
  Layer.launch,
  NodeRuntime.runMain,
)
