import { Config, type ConfigError, Context, Effect, Layer, Option, Schedule } from "effect"
import * as Samples from "./Samples.js"

/** Where traces, metrics and logs are sent, and how many requests are traced. */
export const TelemetryConfig = Config.all({
  endpoint: Config.url("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(
    Config.option,
    Config.withDescription(
      "Where traces, metrics and logs are sent by OTLP over HTTP, such as http://127.0.0.1:4318; nowhere when absent",
    ),
  ),
  ratio: Config.number("OTEL_TRACES_SAMPLER_ARG").pipe(
    Config.validate({ message: "must be between 0 and 1", validation: (ratio) => ratio >= 0 && ratio <= 1 }),
    Config.withDefault(1),
    Config.withDescription(
      "The share of requests that are traced, 0 to 1, where traces are sent; one that comes with a `traceparent` always is",
    ),
  ),
})

/** Decides which requests are traced that do not say so themselves. None unless traces are sent somewhere: a span costs. */
export class Sampling extends Context.Reference<Sampling>()("@tandem/service-kit/Sampling", {
  defaultValue: () => ({ sample: (): boolean => false }),
}) {}

/** How often metrics are sent. */
const metricsInterval = "10 seconds"

/**
 * Sends spans, metrics and logs to a collector, where one is configured (OpenTelemetry protocol, JSON over HTTP). A collector that is away holds
 * nothing up: what it misses is lost.
 */
export const layer = (serviceName: string): Layer.Layer<never, ConfigError.ConfigError> =>
  Layer.unwrapEffect(
    Effect.map(TelemetryConfig, ({ endpoint, ratio }) =>
      Option.isNone(endpoint) ? Layer.empty : Layer.merge(exporter(serviceName, endpoint.value), sampling(ratio)),
    ),
  )

/** Loaded only where it is asked for. */
const exporter = (serviceName: string, endpoint: URL) =>
  Layer.unwrapEffect(
    Effect.promise(async () => {
      const [Otlp, FetchHttpClient] = await Promise.all([
        import("@effect/opentelemetry/Otlp"),
        import("@effect/platform/FetchHttpClient"),
      ])
      return Otlp.layerJson({
        baseUrl: endpoint.href.replace(/\/$/, ""),
        resource: { serviceName },
        metricsExportInterval: metricsInterval,
        shutdownTimeout: "1 second",
      }).pipe(Layer.provide(FetchHttpClient.layer))
    }),
  )

const sampling = (ratio: number) =>
  Layer.merge(
    Layer.succeed(Sampling, { sample: () => Math.random() < ratio }),
    Layer.scopedDiscard(Effect.forkScoped(Effect.repeat(Samples.take, Schedule.spaced(metricsInterval)))),
  )
