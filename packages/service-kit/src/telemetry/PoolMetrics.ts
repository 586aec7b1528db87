import { Metric } from "effect"
import type { Pool } from "pg"
import * as Samples from "./Samples.js"

const connections = Metric.gauge("db_client_connection_count", {
  description: "Connections to the database, by pool and by whether they are in use",
})

const pending = Metric.gauge("db_client_connection_pending_requests", {
  description: "Requests that wait for a connection, by pool",
})

/** Tells of a pool's connections whenever the metrics are read, for as long as the scope. */
export const watch = (name: string, pool: Pool) => {
  const used = connections.pipe(Metric.tagged("pool", name), Metric.tagged("state", "used"))
  const idle = connections.pipe(Metric.tagged("pool", name), Metric.tagged("state", "idle"))
  const waiting = Metric.tagged(pending, "pool", name)
  return Samples.register(() => {
    used.unsafeUpdate(pool.totalCount - pool.idleCount, [])
    idle.unsafeUpdate(pool.idleCount, [])
    waiting.unsafeUpdate(pool.waitingCount, [])
  })
}
