import { readFileSync } from "node:fs"
import { PgClient } from "@effect/sql-pg"
import { expect, it } from "@effect/vitest"
import { kafkaIsMissing, sharedKafka } from "@tandem/dev-stack/TestKafka"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { Messages, signUp } from "@tandem/example-service/messages"
import { listWelcomes, SignedUp, signupsSchema } from "@tandem/example-service/Signups"
import { Broker } from "@tandem/messaging/Broker"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import * as Migrations from "@tandem/messaging/Migrations"
import * as KafkajsBroker from "@tandem/messaging-kafka/KafkajsBroker"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Effect, Layer, Redacted } from "effect"

const testDatabase = Effect.acquireRelease(
  Effect.promise(() => createTestDatabase()),
  ({ drop }) => Effect.promise(() => drop()),
)

const service = (broker: Layer.Layer<Broker, unknown>) =>
  Layer.unwrapScoped(
    Effect.map(testDatabase, ({ url }) =>
      Messages.pipe(
        Layer.provide(Migrations.layer([messagingSchema, signupsSchema])),
        Layer.provideMerge(broker),
        Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) })),
      ),
    ),
  )

const names = Array.from({ length: 50 }, (_, index) => `user-${index}`)

const until = (there: (welcomes: Effect.Effect.Success<typeof listWelcomes>) => boolean) =>
  listWelcomes.pipe(Effect.delay("20 millis"), Effect.repeat({ until: there }), Effect.timeout("60 seconds"))

const welcomesEveryOneOnce = Effect.gen(function* () {
  yield* Effect.forEach(names, (name) => signUp(name), { concurrency: 8 })
  expect(yield* signUp("user-0")).toBe(false)
  // The broker may deliver any message twice: the same bytes, the same id.
  const broker = yield* Broker
  const events = CloudEvents.make({ source: "/test", schema: SignedUp })
  const event = yield* events.encode("signups", "twice", new SignedUp({ name: "twice" }))
  yield* Effect.retry(broker.publish([event]), { times: 20 })
  yield* until((welcomes) => welcomes.some(({ name }) => name === "twice"))
  yield* broker.publish([event])
  yield* broker.publish([yield* events.encode("signups", "twice", new SignedUp({ name: "last" }))])
  const expected = [...names, "twice", "last"].sort()
  const welcomes = yield* until((rows) => rows.length >= expected.length)
  expect(welcomes.map(({ name }) => name).sort()).toEqual(expected)
  expect(welcomes.filter(({ times }) => times !== 1)).toEqual([])
})

it.scopedLive("welcomes everybody exactly once over the PostgreSQL broker", () =>
  Effect.gen(function* () {
    const { url } = yield* testDatabase
    yield* Effect.provide(welcomesEveryOneOnce, service(PostgresBroker.layer({ url: Redacted.make(url) })))
  }),
)

const skip = kafkaIsMissing()

it.scopedLive.skipIf(skip)("welcomes everybody exactly once over Kafka", () =>
  Effect.gen(function* () {
    const brokers = [yield* Effect.promise(() => sharedKafka())]
    yield* Effect.provide(welcomesEveryOneOnce, service(KafkajsBroker.layer({ brokers, clientId: "example-service" })))
  }),
)

it("gains outbox and inbox in at most 30 lines of its own", () => {
  const source = readFileSync(new URL("../src/messages.ts", import.meta.url), "utf8")
  const lines = source.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("/**"))
  expect(lines.length).toBeLessThanOrEqual(30)
})
