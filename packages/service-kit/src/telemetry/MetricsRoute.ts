import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, type Layer, Metric } from "effect"
import { contentType, render } from "./PrometheusText.js"
import * as Samples from "./Samples.js"

/** `/metrics`: every metric of the process as Prometheus text. None of them carries a user's or an order's id. */
export const layer: Layer.Layer<never, never, HttpLayerRouter.HttpRouter> = HttpLayerRouter.add(
  "GET",
  "/metrics",
  Effect.map(Effect.zipRight(Samples.take, Metric.snapshot), (pairs) =>
    HttpServerResponse.text(render(pairs), { contentType, headers: { "cache-control": "no-store" } }),
  ),
)
