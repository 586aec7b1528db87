import { expect, it } from "@effect/vitest"
import { contentType, render } from "@tandem/service-kit/telemetry/PrometheusText"
import { Effect, Metric, MetricBoundaries } from "effect"
import { ask, serve } from "../server.js"

const named = (name: string) =>
  Effect.map(Metric.snapshot, (pairs) => render(pairs.filter((pair) => pair.metricKey.name === name)))

it.effect("a counter has its labels, escaped, and its help once", () =>
  Effect.gen(function* () {
    const counter = Metric.counter("test_things_total", { description: "Things,\nall of them", incremental: true })
    yield* Metric.incrementBy(Metric.tagged(counter, "kind", 'a "b" \\ c'), 2)
    yield* Metric.increment(Metric.tagged(counter, "kind", "d"))
    const lines = (yield* named("test_things_total")).trimEnd().split("\n")
    expect(lines.slice(0, 2)).toEqual([
      "# HELP test_things_total Things,\\nall of them",
      "# TYPE test_things_total counter",
    ])
    expect(lines.slice(2).sort()).toEqual([
      'test_things_total{kind="a \\"b\\" \\\\ c"} 2',
      'test_things_total{kind="d"} 1',
    ])
  }),
)

it.effect("a histogram has cumulative buckets that end with all of it", () =>
  Effect.gen(function* () {
    const histogram = Metric.histogram("test_seconds", MetricBoundaries.fromIterable([0.1, 1]))
    yield* Metric.update(histogram, 0.05)
    yield* Metric.update(histogram, 0.5)
    yield* Metric.update(histogram, 5)
    expect(yield* named("test_seconds")).toBe(
      [
        "# TYPE test_seconds histogram",
        'test_seconds_bucket{le="0.1"} 1',
        'test_seconds_bucket{le="1"} 2',
        'test_seconds_bucket{le="+Inf"} 3',
        "test_seconds_sum 5.55",
        "test_seconds_count 3",
        "",
      ].join("\n"),
    )
  }),
)

it.scopedLive("/metrics answers with what the process has counted", () =>
  Effect.gen(function* () {
    yield* Metric.set(Metric.gauge("test_depth"), 7)
    const { port } = yield* serve()
    const { status, headers, text } = yield* ask(port, "/metrics")
    expect([status, headers["content-type"], headers["cache-control"]]).toEqual([200, contentType, "no-store"])
    expect(text).toContain("# TYPE test_depth gauge\ntest_depth 7\n")
  }),
)
