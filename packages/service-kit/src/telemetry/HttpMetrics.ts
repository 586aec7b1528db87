import { Metric, MetricBoundaries, MetricLabel } from "effect"

/** In seconds, as OpenTelemetry's conventions advise. */
const boundaries = MetricBoundaries.fromIterable([
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
])

const duration = Metric.histogram(
  "http_server_request_duration_seconds",
  boundaries,
  "How long requests took, by method, route and status; the count of it is the number of requests",
)

const activeRequests = Metric.gauge("http_server_active_requests", {
  description: "Requests that are being answered, streams included",
})

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

const observers = new Map<string, (seconds: number) => void>()

/**
 * Writes down a request that was answered.
 *
 * @param route the route's pattern, such as `/orders/:id`, never a path with an id in it; undefined where nothing is served
 * @param status 0 when the client went away before there was an answer
 */
export const observe = (
  method: string | undefined,
  route: string | undefined,
  status: number,
  seconds: number,
): void => {
  const known = method !== undefined && methods.has(method) ? method : "_OTHER"
  const name = `${known} ${route} ${status}`
  let observer = observers.get(name)
  if (observer === undefined) {
    const labelled = Metric.taggedWithLabels(duration, [
      MetricLabel.make("http_request_method", known),
      MetricLabel.make("http_route", route ?? "_unmatched"),
      MetricLabel.make("http_response_status_code", String(status)),
    ])
    observer = (value) => labelled.unsafeUpdate(value, [])
    observers.set(name, observer)
  }
  observer(seconds)
}

/** Requests under way now. */
export const setActive = (count: number): void => activeRequests.unsafeUpdate(count, [])
