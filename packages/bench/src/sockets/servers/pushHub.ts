import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { Instances } from "@tandem/order-service/push/Instances"
import { PushHub } from "@tandem/order-service/push/PushHub"
import { pushSchema } from "@tandem/order-service/sql/migrations/push"
import { Notifications } from "@tandem/order-service/sql/Notifications"
import * as Database from "@tandem/service-kit/Database"
import { HealthChecks } from "@tandem/service-kit/Health"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Effect, Layer, Redacted, Runtime } from "effect"
import { serve } from "./Control.js"

/** The order service's push side, with its database and its gates, and nothing else of it. */
const url = Redacted.make(process.env["DATABASE_URL"] ?? "")

Layer.scopedDiscard(
  Effect.gen(function* () {
    const { listen } = yield* NodeServer
    const hub = yield* PushHub
    const { port } = yield* listen
    const run = Runtime.runSync(yield* Effect.runtime<never>())
    serve(port, (frame) => run(hub.announce([frame])))
  }),
).pipe(
  Layer.provide(PushHub.layer),
  Layer.provide(Instances.layer({ url, applicationName: "bench" })),
  Layer.provide(Notifications.layer),
  Layer.provide(Database.layer({ url, applicationName: "bench" }, [messagingSchema, pushSchema])),
  Layer.provide(NodeServer.layer({ host: "127.0.0.1", port: 0, corsOrigins: [] })),
  Layer.provide(HealthChecks.layer),
  Layer.launch,
  NodeRuntime.runMain,
)
