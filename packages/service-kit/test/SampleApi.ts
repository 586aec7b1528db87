import {
  HttpApi,
  HttpApiBuilder,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpLayerRouter,
  HttpServerResponse,
  OpenApi,
} from "@effect/platform"
import { SqlError } from "@effect/sql"
import { Amount, AmountFromText } from "@tandem/contracts/Amount"
import { OrderNotFound, Problems } from "@tandem/contracts/http/Errors"
import { describeAsServed } from "@tandem/contracts/http/OpenApiDocument"
import { Limit } from "@tandem/contracts/http/OrdersApi"
import { readPlainCommand } from "@tandem/contracts/PlainCommand"
import { UserId } from "@tandem/contracts/UserId"
import { Access } from "@tandem/service-kit/auth/Access"
import { readCommand } from "@tandem/service-kit/Commands"
import { DirectRoutes } from "@tandem/service-kit/DirectRoutes"
import { withHeaders } from "@tandem/service-kit/idempotency/IdempotentWrites"
import { json } from "@tandem/service-kit/Json"
import { unavailable } from "@tandem/service-kit/Problems"
import { Effect, Exit, Layer, Schema } from "effect"

/** What must never get out of a service. */
export const secret = "SELECT secret FROM vault"

export class Parcel extends Schema.Class<Parcel>("Parcel")({ userId: UserId, amount: Amount }) {}

const send = HttpApiEndpoint.post("send", "/parcels")
  .setUrlParams(
    Schema.Struct({
      userId: Schema.optionalWith(UserId, { exact: true }),
      amount: Schema.optionalWith(AmountFromText, { exact: true }),
    }),
  )
  .setPayload(Parcel)
  .addSuccess(Parcel, { status: 201 })
  .addError(Problems.InvalidRequest)
  .addError(Problems.MalformedJson)
  .addError(Problems.PayloadTooLarge)
  .addError(Problems.UnsupportedMediaType)
  .addError(Problems.ServiceUnavailable)

const label = HttpApiEndpoint.put("label", "/parcels/:id/label")
  .setPath(Schema.Struct({ id: Schema.String }))
  .setPayload(Schema.Struct({ text: Schema.String, size: Schema.optional(Schema.Literal("S", "L")) }))
  .addSuccess(Schema.Struct({ text: Schema.String }))

const list = HttpApiEndpoint.get("list", "/parcels")
  .setUrlParams(
    Schema.Struct({
      userId: UserId,
      kind: Schema.optionalWith(Schema.Literal("box", "bag"), { exact: true }),
      limit: Schema.optionalWith(Limit, { exact: true }),
      weight: Schema.optionalWith(Schema.NumberFromString, { exact: true }),
    }),
  )
  .setHeaders(
    Schema.Struct({ "idempotency-key": Schema.optionalWith(Schema.String.pipe(Schema.maxLength(8)), { exact: true }) }),
  )
  .addSuccess(Schema.Struct({ userId: UserId }))

const fault = HttpApiEndpoint.get("fault", "/faults/:kind")
  .setPath(Schema.Struct({ kind: Schema.String }))
  .addSuccess(Parcel)
  .addError(Problems.OrderNotFound)
  .addError(Problems.ServiceUnavailable)

export const SampleApi = HttpApi.make("sample")
  .add(HttpApiGroup.make("parcels").add(send).add(label).add(list).add(fault))
  .annotateContext(OpenApi.annotations({ title: "Sample", version: "1", transform: describeAsServed }))

/** A fault as the driver gives it: with the SQLSTATE of a server, or without one when there was no server. */
export const sqlError = (code: string | undefined, message = secret) =>
  new SqlError.SqlError({
    message: "Failed to execute statement",
    cause: Object.assign(new Error(message), code === undefined ? {} : { code, severity: "ERROR" }),
  })

const parcels = HttpApiBuilder.group(SampleApi, "parcels", (handlers) =>
  handlers
    .handleRaw("send", ({ request, urlParams }) =>
      Effect.map(readCommand(Parcel, urlParams, request), ({ userId, amount }) =>
        userId === "unfit"
          ? ({ userId: secret, amount } as Parcel)
          : json({ userId, amount }, { status: 201, headers: { location: `/parcels/${userId}` } }),
      ),
    )
    .handle("label", ({ payload }) => Effect.succeed({ text: payload.text }))
    .handle("list", ({ request, urlParams }) =>
      Effect.map(Access, ({ caller }) => {
        const { _tag, ...known } = caller(request)
        return { userId: "userId" in known ? known.userId : urlParams.userId }
      }),
    )
    .handle("fault", ({ path }) => {
      switch (path.kind) {
        case "declared":
          return Effect.fail(new OrderNotFound({ detail: "No order has this id." }))
        case "gone":
          return unavailable(Effect.fail(sqlError(undefined)))
        case "constraint":
          return unavailable(Effect.fail(sqlError("23505")))
        case "commit":
          return Effect.die(sqlError("40001"))
        case "unfit":
          return Effect.succeed({ userId: secret, amount: -1 } as Parcel)
        case "interrupted":
          return Effect.interrupt
        default:
          return Effect.die(new Error(secret))
      }
    }),
)

const plain = HttpLayerRouter.use((router) =>
  Effect.gen(function* () {
    const { caller } = yield* Access
    yield* router.add("GET", "/plain/caller", (request) => Effect.sync(() => json(caller(request))))
    yield* router.add("GET", "/plain", Effect.succeed(HttpServerResponse.text("hello")))
    yield* router.add(
      "GET",
      "/plain/trace",
      Effect.currentSpan.pipe(
        Effect.map(({ traceId }) => traceId),
        Effect.orElseSucceed(() => "none"),
        Effect.map((trace) => HttpServerResponse.text(trace)),
      ),
    )
    yield* router.add("GET", "/plain/missing", Effect.succeed(HttpServerResponse.empty({ status: 404 })))
    yield* router.add("GET", "/plain/broken", Effect.succeed(HttpServerResponse.text(secret, { status: 502 })))
    yield* router.add("GET", "/plain/declared", Effect.fail(new OrderNotFound({ detail: "No order has this id." })))
    yield* router.add("GET", "/plain/failed", Effect.fail(new Error(secret)))
    yield* router.add("GET", "/plain/slow", Effect.delay(Effect.succeed(HttpServerResponse.text("late")), "300 millis"))
    yield* router.prefixed("/shop").add("POST", "/basket", Effect.succeed(HttpServerResponse.empty({ status: 204 })))
  }),
)

/** `POST /express` and `GET /express/:piece` have direct routes beside the router's own, and each says who has answered. */
const express = HttpLayerRouter.use((router) =>
  Effect.gen(function* () {
    yield* router.add("POST", "/express", Effect.succeed(HttpServerResponse.text("router")))
    yield* router.add("GET", "/express/:piece", Effect.succeed(HttpServerResponse.text("router")))
    const direct = yield* DirectRoutes
    direct.add({
      method: "GET",
      path: "/express/",
      read: (piece) => (piece === "unread" ? undefined : piece),
      answer: (piece, _, done) =>
        done(
          piece === "gone"
            ? Exit.fail(new OrderNotFound({ detail: "No order has this id." }))
            : Exit.succeed({ status: 200, headers: { etag: '"1"' }, body: JSON.stringify(`direct ${piece}`) }),
        ),
    })
    direct.add({
      method: "POST",
      path: "/express",
      read: readPlainCommand,
      answer: ({ userId }, key, done) => {
        if (userId === "gone") return done(Exit.fail(sqlError(undefined)))
        if (userId === "declared") return done(Exit.fail(new OrderNotFound({ detail: "No order has this id." })))
        if (userId === "bug") return done(Exit.die(new Error(secret)))
        const body = JSON.stringify(`direct ${key ?? ""}`)
        const response = { status: 201, location: "/express/1", body }
        done(Exit.succeed(withHeaders({ response, replayed: key === "again" })))
      },
    })
  }),
)

export const sampleRoutes = Layer.mergeAll(parcels, plain, express)
