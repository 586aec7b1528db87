import { exitOnSignals } from "@tandem/dev-stack/ChildProcess"
import { startStack } from "@tandem/dev-stack/Stack"
import { runPushCampaign } from "./PushCampaign.js"

const usage = `The long form of the push test: 200 clients that come and go on two instances while orders settle, with kill -9 of both.
  --orders N   orders, 20000 when absent
  --seed N     what the clients choose; the present second when absent
  --kills N    kills of each instance, 5 when absent
  --kafka      over Kafka instead of the PostgreSQL broker
  --help       this`

exitOnSignals()
const parameters = process.argv.slice(2)

/** A whole number after an option. */
const number = (name: string, standard: number): number => {
  const place = parameters.indexOf(`--${name}`)
  if (place < 0) return standard
  const value = Number(parameters[place + 1])
  if (Number.isSafeInteger(value) && value >= 0) return value
  console.error(`--${name} must be followed by a whole number.`)
  process.exit(2)
}

if (parameters.includes("--help")) {
  console.log(usage)
  process.exit(0)
}

const options = {
  seed: number("seed", Math.floor(Date.now() / 1_000)),
  orders: number("orders", 20_000),
  clients: 200,
  users: 40,
  kills: number("kills", 5),
}
console.log(`seed ${options.seed}, ${options.orders} orders, ${options.kills} kills of each instance`)
/** A sentence and the end. */
const giveUp = (fault: unknown): never => {
  console.error(fault instanceof Error ? fault.message : String(fault))
  process.exit(1)
}

const stack = await startStack({ broker: parameters.includes("--kafka") ? "kafka" : "postgres" }).catch(giveUp)
const start = performance.now()
const result = await stack
  .addInstance("order")
  .then((second) => runPushCampaign(stack, second, options))
  .finally(() => stack.stop())
  .catch(giveUp)
console.log(JSON.stringify(result, undefined, 2))

const faults = [
  ...(result.faults.length === 0 ? [] : ["clients were told what they should not have been"]),
  ...(result.behind.length === 0 ? [] : ["clients were not told everything"]),
]
const seconds = Math.round((performance.now() - start) / 1_000)
console.log(faults.length === 0 ? `All of it holds (${seconds} s).` : `It does not hold: ${faults.join("; ")}.`)
process.exit(faults.length === 0 ? 0 : 1)
