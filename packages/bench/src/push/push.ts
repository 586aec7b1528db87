import { startStack } from "@tandem/dev-stack/Stack"
import { startBareFlow } from "../bareFlow/bareFlow.js"
import type { Figure } from "../Figures.js"
import { openSockets } from "../sockets/RawSockets.js"
import { openAccounts, postToFrame } from "./postToFrame.js"

/** How much of everything. */
export interface PushOptions {
  readonly runs: number
  readonly brokers: ReadonlyArray<"postgres" | "kafka">
  readonly warmUpSeconds: number
  readonly seconds: number
}

const users = 200

/** Sockets that hear of nothing, beside those of the users. */
const idleSockets = 9_800

interface Round {
  readonly name: string
  /** Orders a second. */
  readonly perSecond: number
  readonly idleSockets: number
  /** ms. */
  readonly targets: { readonly p50?: number; readonly p99?: number }
}

/** The last is measured where there is a yardstick and a target: it takes longest to set up. */
const rounds: ReadonlyArray<Round> = [
  { name: "200 orders/s", perSecond: 200, idleSockets: 0, targets: { p50: 15, p99: 50 } },
  { name: "500 orders/s", perSecond: 500, idleSockets: 0, targets: {} },
  {
    name: `500 orders/s, ${(idleSockets + users).toLocaleString("en-US")} open sockets`,
    perSecond: 500,
    idleSockets,
    targets: { p99: 60 },
  },
]

const roundsOver = (broker: "postgres" | "kafka") =>
  rounds.filter((round) => broker === "kafka" || round.idleSockets === 0)

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
      for (const { name } of roundsOver(broker)) {
        const beside = broker === "kafka" ? `; the same in bare Node ${bare.told(name)}` : ""
        say(`run ${run} over ${broker}, ${name}: p50 and p99 ${through.told(name)}${beside}`)
      }
    }
    for (const { name, targets } of roundsOver(broker)) {
      for (const quantile of ["p50", "p99"] as const) {
        const most = broker === "kafka" ? targets[quantile] : undefined
        figures.push({
          name: `POST → frame ${quantile}, ${name} over ${broker}`,
          unit: "ms",
          values: through.of(name, quantile),
          ...(broker === "kafka"
            ? { yardstick: { name: "the same flow in bare Node", values: bare.of(name, quantile) } }
            : {}),
          ...(most === undefined ? {} : { target: { value: { most } } }),
        })
      }
    }
  }
  return figures
}

/** The quantiles of each run, by round. */
class Latencies {
  readonly #runs = new Map<string, Array<{ readonly p50: number; readonly p99: number }>>()

  add(round: string, sorted: Float64Array): void {
    const at = (p: number) => sorted[Math.floor(sorted.length * p)] ?? Number.NaN
    this.#runs.set(round, [...(this.#runs.get(round) ?? []), { p50: at(0.5), p99: at(0.99) }])
  }

  of(round: string, quantile: "p50" | "p99"): ReadonlyArray<number> {
    return (this.#runs.get(round) ?? []).map((run) => run[quantile])
  }

  told(round: string): string {
    return `${this.of(round, "p50").at(-1)?.toFixed(1)} and ${this.of(round, "p99").at(-1)?.toFixed(1)} ms`
  }
}

const measureStack = async (broker: "postgres" | "kafka", options: PushOptions, latencies: Latencies) => {
  const stack = await startStack({ broker })
  try {
    await measure(stack.orderUrl, await openAccounts(stack.paymentUrl, users), roundsOver(broker), options, latencies)
  } finally {
    await stack.stop()
  }
}

const measureBare = async (options: PushOptions, latencies: Latencies) => {
  const flow = await startBareFlow()
  try {
    const names = Array.from({ length: users }, (_, number) => flow.user(number))
    await measure(flow.orderUrl, names, roundsOver("kafka"), options, latencies)
  } finally {
    await flow.stop()
  }
}

const measure = async (
  orderUrl: string,
  names: ReadonlyArray<string>,
  some: ReadonlyArray<Round>,
  { warmUpSeconds, seconds }: PushOptions,
  latencies: Latencies,
) => {
  await postToFrame({ orderUrl, users: names, perSecond: 500, seconds: warmUpSeconds })
  for (const { name, perSecond, idleSockets: idle } of some) {
    const port = Number(new URL(orderUrl).port)
    const sockets = await openSockets({ port, users: idle, slowEach: Number.POSITIVE_INFINITY })
    try {
      latencies.add(name, await postToFrame({ orderUrl, users: names, perSecond, seconds }))
      if (sockets.ended() > 0) throw new Error(`${sockets.ended()} of ${idle} open sockets ended by themselves`)
    } finally {
      sockets.close()
    }
  }
}
