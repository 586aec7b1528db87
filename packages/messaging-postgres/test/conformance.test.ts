import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { Broker } from "@tandem/messaging/Broker"
import { brokerConformance } from "@tandem/messaging/testing/BrokerConformance"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Context, Effect, Layer, Redacted } from "effect"
import { afterAll } from "vitest"

const database = await createTestDatabase()
afterAll(database.drop)

brokerConformance("PostgresBroker", {
  connect: Effect.map(
    Layer.build(Layer.fresh(PostgresBroker.layer({ url: Redacted.make(database.url) }))),
    Context.get(Broker),
  ),
  sessionMs: 5_000,
})
