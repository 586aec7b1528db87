import { HttpApiBuilder } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { type Account, TopUp } from "@tandem/contracts/http/AccountsApi"
import { AccountNotFound, FundingLimitExceeded } from "@tandem/contracts/http/Errors"
import { PaymentApi } from "@tandem/contracts/http/PaymentApi"
import { UserId } from "@tandem/contracts/UserId"
import { nextId } from "@tandem/messaging/Ids"
import { readCommand } from "@tandem/service-kit/Commands"
import * as GroupCommit from "@tandem/service-kit/GroupCommit"
import { json } from "@tandem/service-kit/Json"
import { unavailable } from "@tandem/service-kit/Problems"
import { Clock, Effect, Option, Schema } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { findAccount } from "../sql/Accounts.js"
import { type NewTopUp, topUp } from "../sql/TopUps.js"

/** Topping up and reading accounts. Concurrent top-ups share a statement. */
export const AccountsRoutes = HttpApiBuilder.group(PaymentApi, "accounts", (handlers) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const withSql = Effect.provideService(SqlClient.SqlClient, sql)
    const write = yield* GroupCommit.make({
      name: "top-ups",
      run: (topUps: NonEmptyReadonlyArray<NewTopUp>) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => topUp(topUps, new Date(now).toISOString())).pipe(withSql),
    })

    return handlers
      .handleRaw("topUp", ({ request, urlParams }) =>
        Effect.gen(function* () {
          const { userId, amount } = yield* readCommand(TopUp, urlParams, request)
          const { account, created } = yield* write({ id: yield* nextId, userId, amount })
          return json(
            account,
            created ? { status: 201, headers: { location: `/accounts/${userId}` } } : { status: 200 },
          )
        }).pipe(
          unavailable,
          Effect.catchTag(
            "FundingLimitReached",
            () =>
              new FundingLimitExceeded({ detail: "All top-ups of an account together stay below 2^53 minor units." }),
          ),
        ),
      )
      .handle("getAccount", ({ path }) =>
        Effect.gen(function* () {
          const account = Schema.is(UserId)(path.userId) ? yield* findAccount(path.userId) : Option.none<Account>()
          return yield* Effect.mapError(account, () => new AccountNotFound({ detail: "This user has no account." }))
        }).pipe(withSql, unavailable),
      )
  }),
)
