import { exitOnSignals } from "@tandem/dev-stack/ChildProcess"
import { startStack } from "@tandem/dev-stack/Stack"
import { expectedAnswers, runCampaign } from "./MoneyCampaign.js"

const usage = `The long form of the money test: random commands from 64 clients over 50 users, with kill -9 of both services.
  --operations N   commands, 20000 when absent
  --seed N         what the clients choose; the present second when absent
  --kills N        kills of each service, 5 when absent
  --kafka          over Kafka instead of the PostgreSQL broker
  --help           this`

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

const paymentTimeout = "2 seconds"
const options = {
  seed: number("seed", Math.floor(Date.now() / 1_000)),
  operations: number("operations", 20_000),
  clients: 64,
  users: 50,
  kills: number("kills", 5),
  paymentTimeout,
}
console.log(`seed ${options.seed}, ${options.operations} commands, ${options.kills} kills of each service`)
/** A sentence and the end. */
const giveUp = (fault: unknown): never => {
  console.error(fault instanceof Error ? fault.message : String(fault))
  process.exit(1)
}

const stack = await startStack({
  broker: parameters.includes("--kafka") ? "kafka" : "postgres",
  env: { PAYMENT_TIMEOUT: paymentTimeout },
}).catch(giveUp)
const start = performance.now()
const result = await runCampaign(stack, options)
  .finally(() => stack.stop())
  .catch(giveUp)
console.log(JSON.stringify(result, undefined, 2))

const unexpected = Object.keys(result.answers).filter((answer) => !expectedAnswers.has(answer))
const faults = [
  ...(result.reconciliation.code === 0 ? [] : ["the reconciliation is not clean"]),
  ...(result.kept === result.accepted ? [] : [`${result.accepted - result.kept} accepted orders are gone`]),
  ...(unexpected.length === 0 ? [] : [`unexpected answers: ${unexpected.join(", ")}`]),
]
const seconds = Math.round((performance.now() - start) / 1_000)
console.log(faults.length === 0 ? `All of it holds (${seconds} s).` : `It does not hold: ${faults.join("; ")}.`)
process.exit(faults.length === 0 ? 0 : 1)
