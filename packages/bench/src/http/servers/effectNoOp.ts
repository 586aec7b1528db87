import { createServer } from "node:http"
import { HttpLayerRouter } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Layer } from "effect"
import { NoOpApi, NoOpRoutes } from "./NoOpApi.js"

/** The yardstick of a no-op route: an Effect HttpApi as its documentation serves it, without the request logger. */
HttpLayerRouter.serve(HttpLayerRouter.addHttpApi(NoOpApi).pipe(Layer.provide(NoOpRoutes)), {
  disableLogger: true,
}).pipe(
  Layer.provide(
    NodeHttpServer.layer(() => createServer().once("listening", () => console.log("Started App")), {
      port: Number(process.env["PORT"]),
      host: "127.0.0.1",
    }),
  ),
  Layer.launch,
  NodeRuntime.runMain,
)
