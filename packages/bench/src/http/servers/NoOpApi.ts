import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "@effect/platform"
import { AmountFromText } from "@tandem/contracts/Amount"
import { UserId } from "@tandem/contracts/UserId"
import { Effect, Schema } from "effect"

const NoOp = Schema.Struct({ userId: UserId, amount: Schema.Number })

/** One endpoint that decodes a query, does nothing and encodes an answer. */
export const NoOpApi = HttpApi.make("no-op").add(
  HttpApiGroup.make("no-op").add(
    HttpApiEndpoint.post("noOp", "/no-op")
      .setUrlParams(Schema.Struct({ userId: UserId, amount: AmountFromText }))
      .addSuccess(NoOp, { status: 201 }),
  ),
)

/** Its handler. */
export const NoOpRoutes = HttpApiBuilder.group(NoOpApi, "no-op", (handlers) =>
  handlers.handle("noOp", ({ urlParams }) => Effect.succeed(urlParams)),
)
