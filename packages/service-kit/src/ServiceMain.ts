import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Config, ConfigProvider, Effect, Layer } from "effect"
import type { Access } from "./auth/Access.js"
import { HealthChecks } from "./Health.js"
import { NodeServer } from "./NodeServer.js"
import type { Origins } from "./Origins.js"
import type { ServiceConfig } from "./ServiceConfig.js"
import { explain } from "./StartupFault.js"
import * as Logging from "./telemetry/Logging.js"
import * as ProcessMetrics from "./telemetry/ProcessMetrics.js"
import * as Telemetry from "./telemetry/Telemetry.js"

/** What a service is made of. */
export interface ServiceOptions<C extends { readonly service: ServiceConfig }, A, E> {
  /** Such as `order-service`. */
  readonly name: string
  /** Every Config that the service reads, its features' included, so that all that is wrong is told at once. */
  readonly config: Config.Config<C>
  /** Everything that runs. Built first, in the order of its needs; then the service listens. Shut down the other way round. */
  readonly app: (config: C) => Layer.Layer<A, E, NodeServer | Origins | Access | HealthChecks>
}

/** How long a shutdown may take, in ms, before the process ends all the same. */
const shutdownTime = 9_500

/** The environment, where an empty variable is one that is not set. */
const environment = (): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromMap(
    new Map(
      Object.entries(process.env).flatMap(([name, value]) =>
        value === undefined || value === "" ? [] : [[name, value]],
      ),
    ),
  )

/** Runs a service for ever: builds it, listens, logs `Started App`. Interruption shuts it down. */
export const program = <C extends { readonly service: ServiceConfig }, A, E>(options: ServiceOptions<C, A, E>) =>
  Effect.gen(function* () {
    const { config } = yield* Config.all({
      config: options.config,
      logging: Logging.LoggingConfig,
      telemetry: Telemetry.TelemetryConfig,
    })
    const { host, port, corsOrigins, auth, rateLimit } = config.service
    const started = Layer.scopedDiscard(
      Effect.gen(function* () {
        const { listen } = yield* NodeServer
        const address = yield* listen
        yield* Effect.log("Started App").pipe(Effect.annotateLogs({ host: address.address, port: address.port }))
      }),
    )
    const app = started.pipe(
      Layer.provide(options.app(config)),
      Layer.provide(Layer.merge(NodeServer.layer({ host, port, corsOrigins, auth, rateLimit }), HealthChecks.layer)),
    )
    return yield* Effect.provide(
      Layer.launch(app),
      Layer.mergeAll(Logging.layer(options.name), Telemetry.layer(options.name), ProcessMetrics.layer),
    )
  })

/**
 * The main of a service. What keeps it from starting is told in plain sentences on stderr, exit 1. SIGTERM and SIGINT stop accepting,
 * finish what is under way and exit 0, within 10 s; a second signal ends it at once.
 */
export const run = <C extends { readonly service: ServiceConfig }, A, E>(options: ServiceOptions<C, A, E>): void => {
  const giveUp = () => {
    setTimeout(() => {
      process.stderr.write(`${options.name} did not shut down within ${shutdownTime} ms, and ends now.\n`)
      process.exit(1)
    }, shutdownTime).unref()
  }
  process.once("SIGTERM", giveUp).once("SIGINT", giveUp)
  program(options).pipe(
    Effect.tapErrorCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.void
        : Effect.gen(function* () {
            if (Cause.isDie(cause)) yield* Effect.logFatal(cause)
            process.stderr.write(`${explain(options.name, cause)}\n`)
          }),
    ),
    Effect.withConfigProvider(environment()),
    NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true }),
  )
}
