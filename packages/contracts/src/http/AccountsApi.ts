import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { Amount, AmountFromText, Balance } from "../Amount.js"
import { Timestamp } from "../Timestamp.js"
import { UserId } from "../UserId.js"
import { Problems } from "./Errors.js"

/** An account as the API shows it; `version` grows by one with every transfer. */
export class Account extends Schema.Class<Account>("Account")({
  userId: UserId,
  balance: Balance,
  version: Schema.Int,
  createdAt: Timestamp,
  updatedAt: Timestamp,
}) {}

/** The command to create an account with an amount, or to add the amount to it. */
export class TopUp extends Schema.Class<TopUp>("TopUp")({ userId: UserId, amount: Amount }) {}

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
  .addError(Problems.FundingLimitExceeded)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "topUp",
      summary: "Create an account or top it up",
      description:
        "201 when the account is new, 200 after. The command comes in the query or, the same, as JSON in the body.",
    }),
  )

const getAccount = HttpApiEndpoint.get("getAccount", "/accounts/:userId")
  .setPath(Schema.Struct({ userId: Schema.String }))
  .addSuccess(Account)
  .addError(Problems.AccountNotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(OpenApi.annotations({ identifier: "getAccount", summary: "Read one account" }))

/** Topping up and reading accounts. */
export const AccountsApi = HttpApiGroup.make("accounts").add(topUp).add(getAccount)
