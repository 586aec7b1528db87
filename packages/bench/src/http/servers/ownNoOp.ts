import { NodeRuntime } from "@effect/platform-node"
import { HealthChecks } from "@tandem/service-kit/Health"
import * as HttpService from "@tandem/service-kit/HttpService"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Effect, Layer } from "effect"
import { NoOpApi, NoOpRoutes } from "./NoOpApi.js"

/** The same route as `effectNoOp`, served by the service kit with all its gates. */
Layer.scopedDiscard(
  Effect.gen(function* () {
    const { listen } = yield* NodeServer
    yield* listen
    console.log("Started App")
  }),
).pipe(
  Layer.provide(HttpService.layer({ api: NoOpApi, routes: NoOpRoutes })),
  Layer.provide(NodeServer.layer({ host: "127.0.0.1", port: Number(process.env["PORT"]), corsOrigins: [] })),
  Layer.provide(HealthChecks.layer),
  Layer.launch,
  NodeRuntime.runMain,
)
