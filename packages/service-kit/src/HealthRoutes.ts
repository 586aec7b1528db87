import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import { Effect, type Layer } from "effect"
import { HealthChecks } from "./Health.js"
import { json } from "./Json.js"
import { problemResponse } from "./ProblemDetails.js"

const headers = { "cache-control": "no-store" }

/**
 * `/health/live`: 200 for as long as the process answers. `/health/ready`: 200 with every check, or a 503 that names what is down, and
 * not why.
 */
export const layer: Layer.Layer<never, never, HttpLayerRouter.HttpRouter | HealthChecks> = HttpLayerRouter.use(
  (router) =>
    Effect.gen(function* () {
      const { readiness } = yield* HealthChecks
      yield* router.add("GET", "/health/live", Effect.succeed(json({ status: "live" }, { headers })))
      yield* router.add(
        "GET",
        "/health/ready",
        Effect.map(readiness, (checks) => {
          const down = Object.keys(checks).filter((name) => checks[name] !== true)
          if (down.length > 0) {
            return problemResponse({
              kind: "service-unavailable",
              detail: `Not ready, for these are down: ${down.join(", ")}.`,
              headers,
            })
          }
          const up = Object.fromEntries(Object.keys(checks).map((name) => [name, "up"]))
          return json({ status: "ready", checks: up }, { headers })
        }),
      )
    }),
)
