import { PgClient } from "@effect/sql-pg"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { migrate } from "@tandem/messaging/Migrations"
import { Outbox } from "@tandem/messaging/Outbox"
import { Effect, Layer, Redacted } from "effect"
import { orderSchema } from "../../src/sql/migrations/orders.js"
import { pushSchema } from "../../src/sql/migrations/push.js"
import { ticketSchema } from "../../src/sql/migrations/tickets.js"
import { Notifications } from "../../src/sql/Notifications.js"

/** A database of the order service for one test. */
export const database = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { url } = yield* Effect.acquireRelease(
      Effect.promise(() => createTestDatabase()),
      ({ drop }) => Effect.promise(() => drop()),
    )
    const migrated = Layer.effectDiscard(migrate([messagingSchema, orderSchema, pushSchema, ticketSchema]))
    return Layer.mergeAll(migrated, Notifications.layer, Outbox.layer).pipe(
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 20 })),
    )
  }),
)
