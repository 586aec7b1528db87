import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { OrderStatusChanged } from "../push/OrderStatusChanged.js"
import { UserId } from "../UserId.js"
import { Problems } from "./Errors.js"
import { having, meaning } from "./OpenApiOperations.js"
import { Limit } from "./OrdersApi.js"

/** A page of what a user was told, oldest first. `next` is the value for `after` of the following page, null on the last one. */
export class NotificationPage extends Schema.Class<NotificationPage>("NotificationPage")({
  items: Schema.Array(OrderStatusChanged),
  next: Schema.NullOr(Schema.NonNegativeInt),
}) {}

/** A number after which notifications are asked for: plain digits, 0 to 2^53−1. */
export const After = Schema.transform(
  Schema.String.pipe(
    Schema.pattern(/^(0|[1-9][0-9]{0,15})$/),
    Schema.filter((text) => Number.isSafeInteger(Number(text))),
  ).annotations({ message: () => ({ message: "must be a whole number, 0 or more", override: true }) }),
  Schema.NonNegativeInt,
  { strict: true, decode: Number, encode: String },
).annotations({ jsonSchema: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 } })

const listNotifications = HttpApiEndpoint.get("listNotifications", "/notifications")
  .setUrlParams(
    Schema.Struct({
      userId: UserId,
      after: Schema.optionalWith(Schema.Union(After, Schema.Literal("")), { exact: true }),
      limit: Schema.optionalWith(Limit, { exact: true }),
    }),
  )
  .addSuccess(NotificationPage)
  .addError(Problems.InvalidRequest)
  .addError(Problems.NotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "listNotifications",
      summary: "List what a user was told, oldest first",
      description:
        "The frames of the stream, by number. They are kept for a while (`NOTIFICATION_RETENTION`), so that the first one may not be number 1.",
      transform: having(meaning({ 200: "A page of notifications" })),
    }),
  )

/** What users were told. */
export const NotificationsApi = HttpApiGroup.make("notifications").add(listNotifications)
