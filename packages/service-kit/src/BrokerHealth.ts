import { Broker } from "@tandem/messaging/Broker"
import { Effect, Layer } from "effect"
import { HealthChecks } from "./Health.js"

/** Registers the readiness check `broker`: down while the broker does not answer a ping. */
export const layer: Layer.Layer<never, never, Broker | HealthChecks> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { ping } = yield* Broker
    const { register } = yield* HealthChecks
    yield* register("broker", ping)
  }),
)
