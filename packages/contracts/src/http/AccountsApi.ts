import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Amount, AmountFromText, Balance } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { Timestamp } from "../Timestamp.js"
import { UserId } from "../UserId.js"
import { Version } from "../Version.js"
import { Problems } from "./Errors.js"
import { having, keyed, located, meaning, versioned } from "./OpenApiOperations.js"
import { Limit } from "./OrdersApi.js"

/** An account as the API shows it; `version` grows by one with every transfer. */
export class Account extends Schema.Class<Account>("Account")({
  userId: UserId,
  balance: Balance,
  version: Version,
  createdAt: Timestamp,
  updatedAt: Timestamp,
}) {}

/** The command to create an account with an amount, or to add the amount to it. */
export class TopUp extends Schema.Class<TopUp>("TopUp")({ userId: UserId, amount: Amount }) {}

/** A movement of money as the account's owner sees it. */
export class Transfer extends Schema.Class<Transfer>("Transfer")({
  id: Schema.UUID.annotations({ identifier: "TransferId", description: "UUIDv7" }),
  kind: Schema.Literal("topup", "payment", "refund"),
  /** `credit` puts money on the account, `debit` takes it away. */
  direction: Schema.Literal("credit", "debit"),
  amount: Amount,
  /** What it left on the account. */
  balanceAfter: Balance,
  /** The order that is paid or refunded; null for a top-up. */
  orderId: Schema.NullOr(OrderId),
  at: Timestamp,
}) {}

/** A page of an account's transfers, newest first. `next` is the cursor of the following page, null on the last one. */
export class TransferPage extends Schema.Class<TransferPage>("TransferPage")({
  items: Schema.Array(Transfer),
  next: Schema.NullOr(Schema.String),
}) {}

const topUp = HttpApiEndpoint.post("topUp", "/accounts")
  .setUrlParams(
    Schema.Struct({
      userId: Schema.optionalWith(UserId, { exact: true }),
      amount: Schema.optionalWith(AmountFromText, { exact: true }),
    }),
  )
  .setPayload(TopUp)
  .addSuccess(Account, { status: 201 })
  .addSuccess(Account, { status: 200 })
  .addError(Problems.InvalidRequest)
  .addError(Problems.MalformedJson)
  .addError(Problems.PayloadTooLarge)
  .addError(Problems.UnsupportedMediaType)
  .addError(Problems.RequestInFlight)
  .addError(Problems.IdempotencyKeyReused)
  .addError(Problems.FundingLimitExceeded)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "topUp",
      summary: "Create an account or top it up",
      description:
        "201 when the account is new, 200 after. The command comes in the query or, the same, as JSON in the body.",
      transform: having(meaning({ 201: "The new account", 200: "The account, with the amount on it" }), located, keyed),
    }),
  )

const getAccount = HttpApiEndpoint.get("getAccount", "/accounts/:userId")
  .setPath(Schema.Struct({ userId: Schema.String }))
  .addSuccess(Account)
  .addError(Problems.AccountNotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "getAccount",
      summary: "Read one account",
      description: "Its `ETag` changes with every transfer.",
      transform: having(meaning({ 200: "The account" }), versioned),
    }),
  )

const listTransfers = HttpApiEndpoint.get("listTransfers", "/accounts/:userId/transfers")
  .setPath(Schema.Struct({ userId: Schema.String }))
  .setUrlParams(
    Schema.Struct({
      limit: Schema.optionalWith(Limit, { exact: true }),
      cursor: Schema.optionalWith(Schema.String, { exact: true }),
    }),
  )
  .addSuccess(TransferPage)
  .addError(Problems.InvalidRequest)
  .addError(Problems.AccountNotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "listTransfers",
      summary: "List an account's transfers, newest first",
      description:
        "`next` leads to the page after this one, and is null on the last. `balanceAfter` is what each transfer left on the account.",
      transform: having(meaning({ 200: "A page of transfers" })),
    }),
  )

/** Topping up and reading accounts, and what moved on them. */
export const AccountsApi = HttpApiGroup.make("accounts").add(topUp).add(getAccount).add(listTransfers)
