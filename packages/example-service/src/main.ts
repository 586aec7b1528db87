import { createServer } from "node:http"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { PgClient } from "@effect/sql-pg"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import * as Migrations from "@tandem/messaging/Migrations"
import * as KafkajsBroker from "@tandem/messaging-kafka/KafkajsBroker"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Config, Effect, Layer, Redacted, Schema } from "effect"
import { Messages, signUp } from "./messages.js"
import { listWelcomes, signupsSchema } from "./Signups.js"

const Signup = HttpServerRequest.schemaSearchParams(Schema.Struct({ name: Schema.NonEmptyString }))

/** `POST /signups?name=Ada`, and `GET /welcomes` to see what became of it. */
const Routes = Layer.mergeAll(
  HttpLayerRouter.add(
    "POST",
    "/signups",
    Signup.pipe(
      Effect.flatMap(({ name }) => signUp(name)),
      Effect.map((isNew) => HttpServerResponse.text(isNew ? "welcome\n" : "known\n", { status: isNew ? 201 : 200 })),
      Effect.catchTag("ParseError", () => HttpServerResponse.text("a name is needed: ?name=Ada\n", { status: 400 })),
    ),
  ),
  HttpLayerRouter.add("GET", "/welcomes", Effect.flatMap(listWelcomes, HttpServerResponse.json)),
)

const Broker = Layer.unwrapEffect(
  Effect.map(Config.redacted("BROKER_URL"), (url) =>
    Redacted.value(url).startsWith("kafka://")
      ? KafkajsBroker.layer({ brokers: Redacted.value(url).slice(8).split(","), clientId: "example-service" })
      : PostgresBroker.layer({ url }),
  ),
)

const Http = HttpLayerRouter.serve(Routes).pipe(
  Layer.provide(
    NodeHttpServer.layerConfig(createServer, { port: Config.integer("PORT"), host: Config.succeed("127.0.0.1") }),
  ),
)

const Started = Layer.effectDiscard(Effect.log("Started App"))

Started.pipe(
  Layer.provide(Http),
  Layer.provide(Messages),
  Layer.provide(Migrations.layer([messagingSchema, signupsSchema])),
  Layer.provide(Broker),
  Layer.provide(PgClient.layerConfig({ url: Config.redacted("DATABASE_URL") })),
  Layer.launch,
  NodeRuntime.runMain,
)
