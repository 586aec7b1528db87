import { Effect } from "effect"
import type { Figure } from "../Figures.js"
import { fund, layer, makeDatabase, userNames } from "./Ledger.js"
import { perOrder } from "./perOrder.js"
import { settleStep, settleStepWhileToppedUp } from "./settleStep.js"

/** How much of everything. */
export interface SettleOptions {
  readonly runs: number
  /** Batches of 500 of one run. */
  readonly batches: number
}

const spreadOver = 500
const racingClients = 4
const perOrderClients = 4
const perOrderSeconds = 2

/** The payment service's settle step, each figure beside its yardstick in the same run. */
export const settle = async (options: SettleOptions, say: (line: string) => void): Promise<ReadonlyArray<Figure>> => {
  const database = await makeDatabase()
  try {
    return await Effect.runPromise(Effect.provide(measure(options, database.url, say), layer(database.url)))
  } finally {
    await database.stop()
  }
}

const measure = ({ runs, batches }: SettleOptions, url: string, say: (line: string) => void) =>
  Effect.gen(function* () {
    const hot = userNames(1)
    const many = userNames(spreadOver)
    yield* fund(hot)
    yield* fund(many)
    say("warming up")
    yield* settleStep(hot, 20)
    yield* settleStep(many, 20)
    const fresh = yield* steps(hot, many, runs, batches)
    const optimistic: Array<number> = []
    const locked: Array<number> = []
    const racing: Array<number> = []
    const topUps: Array<number> = []
    for (let run = 0; run < runs; run++) {
      say(`run ${run + 1} of the yardsticks`)
      const loop = { clients: perOrderClients, seconds: perOrderSeconds }
      optimistic.push((yield* Effect.promise(() => perOrder(url, "optimistic", loop))).perSecond)
      locked.push((yield* Effect.promise(() => perOrder(url, "for update", loop))).perSecond)
      const race = yield* settleStepWhileToppedUp("hot", batches, racingClients)
      racing.push(race.perSecond)
      topUps.push(race.topUpsPerSecond)
    }
    const optimisticYardstick = { name: "optimistic, an order a transaction", values: optimistic }
    const figures: Array<Figure> = [
      {
        ...payments("one hot account", fresh.hot),
        yardstick: optimisticYardstick,
        target: { value: { least: 20_000 }, ratio: { least: 10 } },
      },
      {
        ...payments("one hot account", fresh.hot),
        yardstick: { name: "SELECT FOR UPDATE, an order a transaction", values: locked },
      },
      {
        ...payments(`${spreadOver} accounts`, fresh.many),
        yardstick: optimisticYardstick,
        target: { value: { least: 20_000 } },
      },
      {
        ...payments(`one hot account, ${racingClients} clients topping it up`, racing),
        yardstick: { name: "nobody topping up", values: fresh.hot },
      },
      { name: `top-ups of it meanwhile, ${racingClients} clients`, unit: "top-ups/s", values: topUps },
    ]
    return figures
  })

const payments = (name: string, values: ReadonlyArray<number>) => ({
  name: `settled, ${name}`,
  unit: "payments/s",
  values,
})

const steps = (hot: ReadonlyArray<string>, many: ReadonlyArray<string>, runs: number, batches: number) =>
  Effect.gen(function* () {
    const figures = { hot: [] as Array<number>, many: [] as Array<number> }
    for (let run = 0; run < runs; run++) {
      figures.hot.push((yield* settleStep(hot, batches)).perSecond)
      figures.many.push((yield* settleStep(many, batches)).perSecond)
    }
    return figures
  })
