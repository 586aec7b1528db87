import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { exitOnSignals } from "@tandem/dev-stack/ChildProcess"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { startKafka } from "@tandem/dev-stack/Kafka"
import { jarsDirectory } from "@tandem/dev-stack/StateDirectory"
import { type ChaosResult, runChaos } from "./Chaos.js"

const usage = `The long form of the kit's chaos test: two relays and three consumers, killed and stopped at random while messages flow.
  --broker B    postgres, kafka or both (the default)
  --messages N  50000 when absent
  --faults N    50 when absent
  --seed N      the faults and their moments; the present second when absent
  --help        this`

const table = (broker: string, seed: number, result: ChaosResult): string =>
  [
    `| ${broker}, seed ${seed} | |`,
    "|---|---|",
    ...Object.entries(result.injected)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `| ${what} | ${count} |`),
    `| messages | ${result.messages} |`,
    `| effects that happened twice | ${result.doubled} |`,
    `| effects that never happened | ${result.missing} |`,
    `| effects out of their key's order | ${result.outOfOrder} |`,
    `| rows left in the outbox | ${result.leftInOutbox} |`,
    `| dead letters | ${result.deadLetters} |`,
  ].join("\n")

const run = async () => {
  const { values } = parseArgs({
    options: {
      broker: { type: "string", default: "both" },
      messages: { type: "string", default: "50000" },
      faults: { type: "string", default: "50" },
      seed: { type: "string", default: String(Math.floor(Date.now() / 1_000)) },
      help: { type: "boolean", default: false },
    },
  })
  if (values.help) return console.log(usage)
  const [messages, faults, seed] = [Number(values.messages), Number(values.faults), Number(values.seed)]
  if (![messages, faults, seed].every((n) => Number.isSafeInteger(n) && n >= 0)) throw new Error(usage)
  const brokers = ["postgres", "kafka"].filter((name) => values.broker === "both" || values.broker === name)
  if (brokers.length === 0) throw new Error(usage)
  const directory = mkdtempSync(join(tmpdir(), "tandem-chaos-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(directory, 0o755)
  const postgres = await startPostgres({ directory: join(directory, "postgres"), fresh: true })
  try {
    for (const broker of brokers) {
      const kafka =
        broker === "kafka" ? await startKafka({ directory: join(directory, "kafka"), jars: jarsDirectory }) : undefined
      const result = await runChaos({
        seed,
        messages,
        faults,
        producerUrl: await postgres.ensureDatabase(`producer_${broker}`),
        consumerUrl: await postgres.ensureDatabase(`consumer_${broker}`),
        brokerUrl: kafka === undefined ? await postgres.ensureDatabase("broker") : `kafka://${kafka.brokers}`,
      }).finally(() => kafka?.stop())
      console.log(`${table(broker, seed, result)}\n`)
      const { doubled, missing, outOfOrder, leftInOutbox, deadLetters } = result
      if (doubled + missing + outOfOrder + leftInOutbox + deadLetters > 0) process.exitCode = 1
    }
  } finally {
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

exitOnSignals()
try {
  await run()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
