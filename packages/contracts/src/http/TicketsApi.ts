import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Timestamp } from "../Timestamp.js"
import { Problems } from "./Errors.js"
import { having, meaning } from "./OpenApiOperations.js"
import { NoFields } from "./OrdersApi.js"

/** Opens one stream of the caller's notifications, until `expiresAt`: a browser sends no header with a WebSocket or an EventSource. */
export class PushTicket extends Schema.Class<PushTicket>("PushTicket")({
  ticket: Schema.String,
  expiresAt: Timestamp,
}) {}

const createPushTicket = HttpApiEndpoint.post("createPushTicket", "/push-tickets")
  .setPayload(NoFields)
  .addSuccess(PushTicket, { status: 201 })
  .addError(Problems.InvalidRequest)
  .addError(Problems.MalformedJson)
  .addError(Problems.PayloadTooLarge)
  .addError(Problems.UnsupportedMediaType)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "createPushTicket",
      summary: "Get a ticket for one stream of notifications",
      description:
        "Goes into `?ticket=` of `/ws` or `/notifications/stream`, once, within 30 seconds. Where auth is off, none is needed and none is looked at.",
      transform: having(meaning({ 201: "The ticket" })),
    }),
  )

/** Opening streams where callers are asked who they are. */
export const TicketsApi = HttpApiGroup.make("tickets").add(createPushTicket)
