import { startStack } from "@tandem/dev-stack/Stack"
import { type BareFlow, startBareFlow } from "../bareFlow/bareFlow.js"
import type { Figure } from "../Figures.js"
import { openAccounts, postToFrame } from "./postToFrame.js"

/** How much of everything. */
export interface PushOptions {
  readonly runs: number
  readonly brokers: ReadonlyArray<"postgres" | "kafka">
  readonly warmUpSeconds: number
  readonly seconds: number
}

const users = 200

/** Orders a second. */
const rates = [200, 500]

const targets: Readonly<Record<number, { readonly p50?: string; readonly p99: string }>> = {
  200: { p50: "≤ 15 ms", p99: "≤ 50 ms" },
  500: { p99: "≤ 60 ms" },
}

/**
 * From the POST of an order to the frame that tells its user how it ended, through both services; over Kafka beside the same flow in bare Node.
 * Either runs alone, in turns.
 */
export const push = async (options: PushOptions, say: (line: string) => void): Promise<ReadonlyArray<Figure>> => {
  const figures: Array<Figure> = []
  for (const broker of options.brokers) {
    const through = new Latencies()
    const bare = new Latencies()
    for (let run = 1; run <= options.runs; run++) {
      await measureStack(broker, options, through)
      if (broker === "kafka") await measureBare(options, bare)
      for (const perSecond of rates) {
        const beside = broker === "kafka" ? `; the same in bare Node ${bare.told(perSecond)}` : ""
        say(`run ${run} over ${broker}, ${perSecond} orders/s: p50 and p99 ${through.told(perSecond)}${beside}`)
      }
    }
    for (const perSecond of rates) {
      for (const quantile of ["p50", "p99"] as const) {
        const target = broker === "kafka" ? targets[perSecond]?.[quantile] : undefined
        figures.push({
          name: `POST → frame ${quantile}, ${perSecond} orders/s over ${broker}`,
          unit: "ms",
          values: through.of(perSecond, quantile),
          ...(broker === "kafka"
            ? { yardstick: { name: "the same flow in bare Node", values: bare.of(perSecond, quantile) } }
            : {}),
          ...(target === undefined ? {} : { target }),
        })
      }
    }
  }
  return figures
}

/** The quantiles of each run, by rate. */
class Latencies {
  readonly #runs = new Map<number, Array<{ readonly p50: number; readonly p99: number }>>()

  add(perSecond: number, sorted: Float64Array): void {
    const at = (p: number) => sorted[Math.floor(sorted.length * p)] ?? Number.NaN
    this.#runs.set(perSecond, [...(this.#runs.get(perSecond) ?? []), { p50: at(0.5), p99: at(0.99) }])
  }

  of(perSecond: number, quantile: "p50" | "p99"): ReadonlyArray<number> {
    return (this.#runs.get(perSecond) ?? []).map((run) => run[quantile])
  }

  told(perSecond: number): string {
    return `${this.of(perSecond, "p50").at(-1)?.toFixed(1)} and ${this.of(perSecond, "p99").at(-1)?.toFixed(1)} ms`
  }
}

const measureStack = async (broker: "postgres" | "kafka", options: PushOptions, latencies: Latencies) => {
  const stack = await startStack({ broker })
  try {
    await measure(stack.orderUrl, await openAccounts(stack.paymentUrl, users), options, latencies)
  } finally {
    await stack.stop()
  }
}

const measureBare = async (options: PushOptions, latencies: Latencies) => {
  const flow: BareFlow = await startBareFlow()
  try {
    const names = Array.from({ length: users }, (_, number) => flow.user(number))
    await measure(flow.orderUrl, names, options, latencies)
  } finally {
    await flow.stop()
  }
}

const measure = async (
  orderUrl: string,
  names: ReadonlyArray<string>,
  { warmUpSeconds, seconds }: PushOptions,
  latencies: Latencies,
) => {
  await postToFrame({ orderUrl, users: names, perSecond: 500, seconds: warmUpSeconds })
  for (const perSecond of rates) {
    latencies.add(perSecond, await postToFrame({ orderUrl, users: names, perSecond, seconds }))
  }
}
