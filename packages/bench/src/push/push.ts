import { startStack } from "@tandem/dev-stack/Stack"
import type { Figure } from "../Figures.js"
import { bareHops } from "./bareHops.js"
import { postToFrame } from "./postToFrame.js"

/** How much of everything. */
export interface PushOptions {
  readonly runs: number
  readonly brokers: ReadonlyArray<"postgres" | "kafka">
  readonly warmUpSeconds: number
  readonly seconds: number
}

const users = 200

const targets: Readonly<Record<number, { readonly p50?: string; readonly p99: string }>> = {
  200: { p50: "≤ 15 ms", p99: "≤ 50 ms" },
  500: { p99: "≤ 60 ms" },
}

/** From the POST of an order to the frame that tells its user how it ended, through both services; over Kafka beside two bare hops. */
export const push = async (options: PushOptions, say: (line: string) => void): Promise<ReadonlyArray<Figure>> => {
  const { warmUpSeconds, seconds } = options
  const figures: Array<Figure> = []
  for (const broker of options.brokers) {
    const stack = await startStack({ broker })
    const hops = (perSecond: number) =>
      broker === "kafka" ? bareHops(stack.brokerUrl.replace("kafka://", ""), perSecond, seconds) : undefined
    try {
      await postToFrame(stack, { users, perSecond: 500, seconds: warmUpSeconds })
      for (const perSecond of [200, 500]) {
        const through: Array<Float64Array> = []
        const bare: Array<Float64Array> = []
        for (let run = 1; run <= options.runs; run++) {
          through.push(await postToFrame(stack, { users, perSecond, seconds }))
          const yardstick = await hops(perSecond)
          if (yardstick !== undefined) bare.push(yardstick)
          say(
            `run ${run} over ${broker}, ${perSecond} orders/s: p50 and p99 ${told(through)}; two bare hops ${told(bare)}`,
          )
        }
        for (const [name, p] of [
          ["p50", 0.5],
          ["p99", 0.99],
        ] as const) {
          const target = broker === "kafka" ? targets[perSecond]?.[name] : undefined
          figures.push({
            name: `POST → frame ${name}, ${perSecond} orders/s over ${broker}`,
            unit: "ms",
            values: through.map((latencies) => quantile(latencies, p)),
            ...(bare.length === 0
              ? {}
              : {
                  yardstick: {
                    name: "two bare hops over Kafka",
                    values: bare.map((latencies) => quantile(latencies, p)),
                  },
                }),
            ...(target === undefined ? {} : { target }),
          })
        }
      }
    } finally {
      await stack.stop()
    }
  }
  return figures
}

const quantile = (latencies: Float64Array, p: number): number =>
  latencies[Math.floor(latencies.length * p)] ?? Number.NaN

const told = (runs: ReadonlyArray<Float64Array>): string => {
  const last = runs.at(-1)
  return last === undefined ? "–" : `${quantile(last, 0.5).toFixed(1)} and ${quantile(last, 0.99).toFixed(1)} ms`
}
