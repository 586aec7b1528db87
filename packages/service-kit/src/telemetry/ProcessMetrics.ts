import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import { Effect, Layer, Metric } from "effect"
import * as Samples from "./Samples.js"

const gauge = (name: string, description: string) => Metric.gauge(name, { description })

const resident = gauge("process_resident_memory_bytes", "Memory of the process that is in RAM")
const heapUsed = gauge("nodejs_heap_size_used_bytes", "JavaScript objects, live and not yet collected")
const cpu = gauge("process_cpu_seconds_total", "CPU time of the process, user and system")
const startTime = gauge("process_start_time_seconds", "When the process started, seconds since the epoch")
const utilization = gauge(
  "nodejs_eventloop_utilization",
  "The share of time since the last look in which the event loop had work",
)
const delay = gauge("nodejs_eventloop_delay_seconds", "How much later than asked for a timer ran, since the last look")

/** Between two looks of the delay's histogram, in ms: often enough to see a pause, and nothing that an idle process would feel. */
const resolution = 20

const quantiles = [0.5, 0.9, 0.99] as const

/** Memory, CPU and event loop of this process, brought up to date whenever the metrics are read. */
export const layer: Layer.Layer<never> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const histogram = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = monitorEventLoopDelay({ resolution })
        started.enable()
        return started
      }),
      (started) => Effect.sync(() => started.disable()),
    )
    const delays = quantiles.map((quantile) => [quantile, Metric.tagged(delay, "quantile", String(quantile))] as const)
    startTime.unsafeUpdate(performance.timeOrigin / 1_000, [])
    let last = performance.eventLoopUtilization()
    yield* Samples.register(() => {
      const memory = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      resident.unsafeUpdate(memory.rss, [])
      heapUsed.unsafeUpdate(memory.heapUsed, [])
      cpu.unsafeUpdate((user + system) / 1e6, [])
      const now = performance.eventLoopUtilization()
      utilization.unsafeUpdate(performance.eventLoopUtilization(now, last).utilization, [])
      last = now
      if (histogram.count === 0) return
      for (const [quantile, metric] of delays) {
        // The histogram holds the whole interval between two timers.
        metric.unsafeUpdate(Math.max(0, histogram.percentile(quantile * 100) / 1e9 - resolution / 1_000), [])
      }
      histogram.reset()
    })
  }),
)
