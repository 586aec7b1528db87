import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { SqlClient } from "@effect/sql"
import { type Account, TopUp, TransferPage } from "@tandem/contracts/http/AccountsApi"
import { AccountNotFound, Forbidden, FundingLimitExceeded } from "@tandem/contracts/http/Errors"
import { PaymentApi } from "@tandem/contracts/http/PaymentApi"
import { type PlainCommand, readPlainCommand } from "@tandem/contracts/PlainCommand"
import { UserId } from "@tandem/contracts/UserId"
import { nextId } from "@tandem/messaging/Ids"
import { Access, insufficientScope } from "@tandem/service-kit/auth/Access"
import { canFund, keyOwner, mayFund, ownerOf, scopes } from "@tandem/service-kit/auth/Caller"
import { readCommand } from "@tandem/service-kit/Commands"
import * as Cursor from "@tandem/service-kit/Cursor"
import { DirectRoutes } from "@tandem/service-kit/DirectRoutes"
import { versioned } from "@tandem/service-kit/ETag"
import * as GroupCommit from "@tandem/service-kit/GroupCommit"
import { idempotencyKey, type KeyedCommand, underKey } from "@tandem/service-kit/idempotency/IdempotencyKey"
import {
  type Answer,
  alone,
  answerOnce,
  type KeptResponse,
  respond,
  startAlone,
  tell,
} from "@tandem/service-kit/idempotency/IdempotentWrites"
import { unavailable } from "@tandem/service-kit/Problems"
import { Clock, Effect, Either, Option, Schema } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { findAccount } from "../sql/Accounts.js"
import { type ToppedUp, topUp } from "../sql/TopUps.js"
import { listTransfers } from "../sql/Transfers.js"

/** How many transfers a page holds when nobody says. */
const defaultLimit = 50

const notYours = () => new Forbidden({ detail: "An account is topped up by its own user." })

const noAccount = () => new AccountNotFound({ detail: "This user has no account." })

/** Topping up and reading accounts, and what moved on them. Concurrent top-ups share a statement. */
export const AccountsRoutes = HttpApiBuilder.group(PaymentApi, "accounts", (handlers) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { caller } = yield* Access
    const withSql = Effect.provideService(SqlClient.SqlClient, sql)
    const putAll = (commands: NonEmptyReadonlyArray<PlainCommand>) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const lines = yield* Effect.forEach(commands, ({ userId, amount }) =>
          Effect.map(nextId, (id) => ({ id, userId, amount })),
        )
        const results = yield* topUp(lines, new Date(now).toISOString())
        return results.map(Either.mapBoth({ onLeft: fundingLimitExceeded, onRight: toppedUp }))
      })
    const topUps = yield* GroupCommit.make({
      name: "top-ups",
      run: (commands: NonEmptyReadonlyArray<PlainCommand>) =>
        withSql(Effect.map(putAll(commands), (results) => results.map(Either.map(given)))),
    })
    const topUpsOnce = yield* GroupCommit.make({
      name: "keyed-top-ups",
      run: (commands: NonEmptyReadonlyArray<Funding & { readonly keyed: KeyedCommand }>) =>
        withSql(answerOnce(commands, putAll)),
    })

    const put = (command: Funding, key: string | undefined) => {
      if (key === undefined) return Effect.flatten(topUps.submit(command))
      const once = underKey("POST /accounts", command, key)
      return Effect.flatten(alone(once.keyed, topUpsOnce.submit(once)))
    }

    const direct = yield* DirectRoutes
    direct.add({
      method: "POST",
      path: "/accounts",
      read: (query, caller) => {
        const command = readPlainCommand(query)
        if (command === undefined || !mayFund(caller, command.userId)) return undefined
        return { ...command, keyedBy: keyOwner(caller, command.userId) }
      },
      answer: (command, key, done) => {
        if (key === undefined) return topUps.offer(command, tell(done))
        const once = underKey("POST /accounts", command, key)
        startAlone(once.keyed, (end) => topUpsOnce.offer(once, end), done)
      },
    })

    return handlers
      .handleRaw("topUp", ({ request, urlParams }) =>
        Effect.gen(function* () {
          const { userId, amount } = yield* readCommand(TopUp, urlParams, request)
          if (!canFund(caller(request))) return insufficientScope(scopes.fund)
          if (!mayFund(caller(request), userId)) return yield* notYours()
          const key = yield* idempotencyKey(request)
          return respond(yield* put({ userId, amount, keyedBy: keyOwner(caller(request), userId) }, key))
        }).pipe(unavailable),
      )
      .handle("getAccount", ({ path, request }) =>
        Effect.gen(function* () {
          const found = Schema.is(UserId)(path.userId)
            ? yield* findAccount(path.userId, ownerOf(caller(request)))
            : Option.none<Account>()
          const account = yield* Effect.mapError(found, noAccount)
          return versioned(request, account.version, account)
        }).pipe(withSql, unavailable),
      )
      .handle("listTransfers", ({ path: { userId }, request, urlParams: { limit = defaultLimit, cursor } }) =>
        Effect.gen(function* () {
          const list = ["transfers", userId]
          const before = yield* Cursor.read(list, cursor, accountVersion)
          if (!Schema.is(UserId)(userId)) return yield* noAccount()
          const owner = ownerOf(caller(request))
          const transfers = yield* listTransfers({
            userId,
            owner,
            limit: limit + 1,
            ...(before === undefined ? {} : { before }),
          })
          // An account has been topped up at least once, so that only one with nothing to show need be asked after.
          if (transfers.length === 0) yield* Effect.mapError(yield* findAccount(userId, owner), noAccount)
          const { items, next } = Cursor.page(list, transfers, limit, ({ version }) => String(version))
          return new TransferPage({ items: items.map(({ transfer }) => transfer), next }, { disableValidation: true })
        }).pipe(withSql, unavailable),
      )
  }),
)

/** The command, and whose an Idempotency-Key is. */
interface Funding extends PlainCommand {
  readonly keyedBy: string
}

const given = (response: KeptResponse): Answer => ({ response, replayed: false })

const fundingLimitExceeded = () =>
  new FundingLimitExceeded({ detail: "All top-ups of an account together stay below 2^53 minor units." })

/** The answer to who has topped up an account. */
const toppedUp = ({ account, created }: ToppedUp): KeptResponse => ({
  status: created ? 201 : 200,
  ...(created ? { location: `/accounts/${account.userId}` } : {}),
  body: JSON.stringify(account),
})

/** The position in a cursor of transfers: the account's version that the last of them led to. */
const accountVersion = (position: string): Option.Option<number> =>
  Option.some(position).pipe(
    Option.filter((text) => /^[1-9][0-9]{0,15}$/.test(text)),
    Option.map(Number),
    Option.filter((version) => Number.isSafeInteger(version)),
  )
