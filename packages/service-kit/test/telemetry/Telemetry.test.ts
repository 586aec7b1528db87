import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it, layer } from "@effect/vitest"
import { jsonLogger } from "@tandem/service-kit/telemetry/Logging"
import * as ProcessMetrics from "@tandem/service-kit/telemetry/ProcessMetrics"
import * as Telemetry from "@tandem/service-kit/telemetry/Telemetry"
import { Cause, ConfigProvider, Effect, Layer, Logger } from "effect"
import { ask, Sample, serve, until } from "../server.js"

const trace = "0af7651916cd43dd8448eb211c80319c"
const traceparent = `00-${trace}-b7ad6b7169203331-01`

layer(Sample.layer)("every answer", (it) => {
  const paths = ["/plain", "/nowhere", "/parcels?limit=x", "/faults/gone", "/express?userId=1&amount=5"]

  it.effect("carries the request's id, the caller's where it is one", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      const ids = new Set<unknown>()
      for (const path of paths) {
        const given = yield* ask(port, path, { headers: { "x-request-id": "abc.DEF_1-2" } })
        expect(given.headers["x-request-id"]).toBe("abc.DEF_1-2")
        for (const id of ["", "a b", "x".repeat(129)]) {
          const { headers } = yield* ask(port, path, { headers: { "x-request-id": id } })
          expect(headers["x-request-id"]).toMatch(/^[A-Za-z0-9_-]{10,30}$/)
          ids.add(headers["x-request-id"])
        }
      }
      expect(ids.size).toBe(paths.length * 3)
    }),
  )

  it.effect("gives a trace context back, and none that is none", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      for (const path of paths) {
        expect((yield* ask(port, path, { headers: { traceparent } })).headers["traceparent"]).toBe(traceparent)
        expect((yield* ask(port, path, { headers: { traceparent: "00-x" } })).headers).not.toHaveProperty("traceparent")
      }
    }),
  )

  it.effect("is counted by method, route and status, with no id in it", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      yield* ask(port, "/faults/declared")
      yield* ask(port, "/faults/9999-not-a-kind")
      yield* ask(port, "/nowhere/at/all/12345")
      yield* ask(port, "/plain", { method: "PROPFIND" })
      yield* ask(port, "/express?userId=1&amount=5", { method: "POST" })
      const { text } = yield* ask(port, "/metrics")
      const counted = (method: string, route: string, status: number) =>
        text.includes(
          `http_server_request_duration_seconds_count{http_request_method="${method}",http_route="${route}",http_response_status_code="${status}"}`,
        )
      expect(counted("GET", "/faults/:kind", 404)).toBe(true)
      expect(counted("GET", "/faults/:kind", 500)).toBe(true)
      expect(counted("GET", "_unmatched", 404)).toBe(true)
      expect(counted("_OTHER", "_unmatched", 405)).toBe(true)
      expect(counted("POST", "/express", 201)).toBe(true)
      expect(text).not.toMatch(/9999-not-a-kind|12345/)
      expect(text).toMatch(/^http_server_active_requests 1$/m)
    }),
  )
})

it.scopedLive("the process tells of its memory, its CPU and its event loop", () =>
  Effect.gen(function* () {
    yield* Layer.build(ProcessMetrics.layer)
    const { port } = yield* serve()
    const { text } = yield* ask(port, "/metrics")
    for (const name of [
      "process_resident_memory_bytes",
      "process_cpu_seconds_total",
      "process_start_time_seconds",
      "nodejs_heap_size_used_bytes",
      "nodejs_eventloop_utilization",
    ]) {
      expect(Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1])).toBeGreaterThan(0)
    }
  }),
)

describe("the JSON log", () => {
  const written = (effect: Effect.Effect<unknown>) =>
    Effect.gen(function* () {
      const lines: Array<Record<string, unknown>> = []
      const logger = Logger.map(jsonLogger("a-service"), (line) => void lines.push(JSON.parse(line)))
      yield* Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger))
      return lines
    })

  it.effect("is a flat line with the ids of request and trace", () =>
    Effect.gen(function* () {
      const log = Effect.logWarning("something happened", { a: 1n }).pipe(
        Effect.annotateLogs("requestId", "r1"),
        Effect.withSpan("a span"),
      )
      expect(yield* written(log)).toEqual([
        {
          timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          level: "WARN",
          service: "a-service",
          message: "something happened",
          details: [{ a: "1" }],
          requestId: "r1",
          traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
          spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      ])
    }),
  )

  it.effect("has the cause of a failure", () =>
    Effect.gen(function* () {
      const [line] = yield* written(Effect.logError("it failed", Cause.fail(new Error("for this reason"))))
      expect(line).toMatchObject({
        level: "ERROR",
        message: "it failed",
        cause: expect.stringContaining("for this reason"),
      })
    }),
  )
})

/** A collector that takes everything down. */
const collector = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly bodies: Map<string, string>; readonly close: () => void }>((resume) => {
    const bodies = new Map<string, string>()
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (part) => {
        body += String(part)
      })
      request.on("end", () => {
        const path = request.url ?? ""
        bodies.set(path, (bodies.get(path) ?? "") + body)
        response.writeHead(200, { "content-type": "application/json" }).end("{}")
      })
    }).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, bodies, close: () => void server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close),
)

describe("a collector", () => {
  const configured = (variables: Readonly<Record<string, string>>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.scopedLive("gets the spans of requests, as children of the caller's, and metrics and logs beside", () =>
    Effect.gen(function* () {
      const { url, bodies } = yield* collector
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { port } = yield* serve()
          yield* ask(port, "/plain", { headers: { traceparent } })
          // Sampled, so that the direct route leaves it to the endpoint.
          expect((yield* ask(port, "/express?userId=1&amount=5", { method: "POST" })).text).toBe("router")
          yield* Effect.logInfo("a line for the collector")
        }).pipe(Effect.provide(Telemetry.layer("a-service"))),
      ).pipe(configured({ OTEL_EXPORTER_OTLP_ENDPOINT: url }))
      yield* until(() => ["/v1/traces", "/v1/logs", "/v1/metrics"].every((path) => bodies.has(path)))
      expect(bodies.get("/v1/traces")).toContain(trace)
      expect(bodies.get("/v1/traces")).toContain('"a-service"')
      expect(bodies.get("/v1/traces")).toContain("/express")
      expect(bodies.get("/v1/logs")).toContain("a line for the collector")
    }),
  )

  it.scopedLive("that is away holds nothing up", () =>
    Effect.gen(function* () {
      const answer = yield* Effect.scoped(
        Effect.gen(function* () {
          const { port } = yield* serve()
          return yield* ask(port, "/plain", { headers: { traceparent } })
        }).pipe(Effect.provide(Telemetry.layer("a-service"))),
      ).pipe(configured({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_TRACES_SAMPLER_ARG: "0" }))
      expect(answer.status).toBe(200)
    }),
  )

  it.effect("has an address that is one, and a share between 0 and 1", () =>
    Effect.gen(function* () {
      for (const variables of [
        { OTEL_EXPORTER_OTLP_ENDPOINT: "nowhere" },
        { OTEL_TRACES_SAMPLER_ARG: "2" },
        { OTEL_TRACES_SAMPLER_ARG: "x" },
      ]) {
        const fault = yield* Effect.flip(Effect.scoped(Layer.build(Telemetry.layer("a-service")))).pipe(
          configured(variables),
        )
        expect(String(fault)).toContain(Object.keys(variables)[0])
      }
    }),
  )
})
