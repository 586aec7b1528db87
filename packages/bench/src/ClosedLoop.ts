/** What a closed loop did. */
export interface LoopResult {
  readonly completed: number
  readonly failed: number
  /** Seconds from the first start to the last end. */
  readonly seconds: number
  /** Latencies in ms, sorted. */
  readonly latencies: Float64Array
}

/** Completed operations a second. */
export const rate = (result: LoopResult): number => result.completed / result.seconds

/** A latency in ms; `p` between 0 and 1. */
export const percentile = (result: LoopResult, p: number): number =>
  result.latencies[Math.min(result.latencies.length - 1, Math.floor(result.latencies.length * p))] ?? Number.NaN

/**
 * So many clients, each starting its next operation when its last one has ended, until the time is over. An operation that
 * rejects counts as failed and the client goes on.
 */
export const closedLoop = async (options: {
  readonly clients: number
  readonly seconds: number
  readonly operation: (client: number, sequence: number) => Promise<void>
}): Promise<LoopResult> => {
  const latencies: Array<number> = []
  let failed = 0
  const start = performance.now()
  const end = start + options.seconds * 1_000
  const run = async (client: number) => {
    for (let sequence = 0; performance.now() < end; sequence++) {
      const before = performance.now()
      try {
        await options.operation(client, sequence)
        latencies.push(performance.now() - before)
      } catch {
        failed++
      }
    }
  }
  await Promise.all(Array.from({ length: options.clients }, (_, client) => run(client)))
  return {
    completed: latencies.length,
    failed,
    seconds: (performance.now() - start) / 1_000,
    latencies: Float64Array.from(latencies).sort(),
  }
}
