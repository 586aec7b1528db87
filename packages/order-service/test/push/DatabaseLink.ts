import { connect, createServer, type Socket } from "node:net"
import type { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { migrate } from "@tandem/messaging/Migrations"
import { Context, Effect, Layer, Redacted } from "effect"
import { Instances } from "../../src/push/Instances.js"
import { pushSchema } from "../../src/sql/migrations/push.js"
import { ticketSchema } from "../../src/sql/migrations/tickets.js"
import { Notifications } from "../../src/sql/Notifications.js"

/** The way to a test's database, which a test can cut. */
export class DatabaseLink extends Context.Tag("test/DatabaseLink")<
  DatabaseLink,
  {
    /** Every connection breaks, and no new one is let through. */
    readonly cut: () => void
    readonly restore: () => void
    /** How often somebody knocked so far. */
    readonly attempts: () => number
    /** Runs on connections that the cut does not concern, as another instance of the service would. */
    readonly elsewhere: <A, E>(
      effect: Effect.Effect<A, E, Notifications | Instances | PgClient.PgClient | SqlClient.SqlClient>,
    ) => Effect.Effect<A, E>
  }
>() {}

const over = (url: string) =>
  Layer.merge(Notifications.layer, Instances.none).pipe(
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 })),
    Layer.orDie,
  )

/** `Notifications` over a link that can be cut, on a database of the test's own. */
export const linkedDatabase = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { url } = yield* Effect.acquireRelease(
      Effect.promise(() => createTestDatabase()),
      ({ drop }) => Effect.promise(() => drop()),
    )
    const direct = yield* Layer.build(over(url))
    yield* Effect.provide(migrate([pushSchema, ticketSchema]), direct)

    const target = new URL(url)
    const sockets = new Set<Socket>()
    let whole = true
    let attempts = 0
    const proxy = createServer((inbound) => {
      attempts++
      if (!whole) return void inbound.destroy()
      const outbound = connect(Number(target.port), target.hostname)
      for (const [one, other] of [
        [inbound, outbound],
        [outbound, inbound],
      ] as const) {
        sockets.add(one)
        one.on("error", () => undefined)
        one.on("close", () => {
          sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
    const cut = () => {
      whole = false
      for (const socket of sockets) socket.destroy()
    }
    const port = yield* Effect.acquireRelease(
      Effect.async<number>((resume) => {
        proxy.listen(0, "127.0.0.1", () => {
          const address = proxy.address()
          if (address !== null && typeof address === "object") resume(Effect.succeed(address.port))
        })
      }),
      () =>
        Effect.sync(() => {
          cut()
          proxy.close()
        }),
    )
    const linked = new URL(url)
    linked.hostname = "127.0.0.1"
    linked.port = String(port)
    const link = Layer.succeed(DatabaseLink, {
      cut,
      restore: () => {
        whole = true
      },
      attempts: () => attempts,
      elsewhere: (effect) => Effect.provide(effect, direct),
    })
    return Layer.merge(link, over(linked.href))
  }),
)
