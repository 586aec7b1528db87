import { randomBytes } from "node:crypto"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { SqlClient } from "@effect/sql"
import { OrderApi } from "@tandem/contracts/http/OrderApi"
import { NoFields } from "@tandem/contracts/http/OrdersApi"
import { Access } from "@tandem/service-kit/auth/Access"
import { readCommand } from "@tandem/service-kit/Commands"
import { json } from "@tandem/service-kit/Json"
import { unavailable } from "@tandem/service-kit/Problems"
import { Clock, Effect } from "effect"
import { hashOf, issue } from "../sql/PushTickets.js"

/** Where auth is off nobody looks at a ticket; it is as valid as any for so long, in ms. */
const symbolically = 30_000

/** Getting tickets for streams. */
export const TicketsRoutes = HttpApiBuilder.group(OrderApi, "tickets", (handlers) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { caller } = yield* Access
    return handlers.handleRaw("createPushTicket", ({ request }) =>
      Effect.gen(function* () {
        yield* readCommand(NoFields, {}, request)
        const ticket = randomBytes(32).toString("base64url")
        const holder = caller(request)
        const expiresAt =
          holder._tag === "User"
            ? yield* issue(hashOf(ticket), holder)
            : new Date((yield* Clock.currentTimeMillis) + symbolically)
        const body = { ticket, expiresAt: expiresAt.toISOString() }
        return json(body, { status: 201, headers: { "cache-control": "no-store" } })
      }).pipe(Effect.provideService(SqlClient.SqlClient, sql), unavailable),
    )
  }),
)
