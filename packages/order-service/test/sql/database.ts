import { PgClient } from "@effect/sql-pg"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { migrate } from "@tandem/messaging/Migrations"
import { Outbox } from "@tandem/messaging/Outbox"
import { Context, Effect, Layer, Redacted } from "effect"
import { Instances } from "../../src/push/Instances.js"
import { orderSchema } from "../../src/sql/migrations/orders.js"
import { pushSchema } from "../../src/sql/migrations/push.js"
import { ticketSchema } from "../../src/sql/migrations/tickets.js"
import { Notifications } from "../../src/sql/Notifications.js"

/** Where the test's database is, for who wants a connection of his own. */
export class DatabaseUrl extends Context.Tag("DatabaseUrl")<DatabaseUrl, Redacted.Redacted>() {}

/** A database of the order service for one test, which has one instance. */
export const database = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { url } = yield* Effect.acquireRelease(
      Effect.promise(() => createTestDatabase()),
      ({ drop }) => Effect.promise(() => drop()),
    )
    const migrated = Layer.effectDiscard(migrate([messagingSchema, orderSchema, pushSchema, ticketSchema]))
    const alone = Layer.merge(Instances.none, Layer.succeed(DatabaseUrl, Redacted.make(url)))
    return Layer.mergeAll(migrated, Notifications.layer, Outbox.layer, alone).pipe(
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 20 })),
    )
  }),
)
