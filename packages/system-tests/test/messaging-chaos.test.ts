import { kafkaIsMissing, sharedKafka } from "@tandem/dev-stack/TestKafka"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { afterAll, describe, expect, it } from "vitest"
import { runChaos } from "../src/chaos/Chaos.js"

const seed = Number(process.env["CHAOS_SEED"] ?? Math.floor(Date.now() / 1_000))

const databases = await Promise.all([createTestDatabase(), createTestDatabase(), createTestDatabase()])
const kafkaDatabases = await Promise.all([createTestDatabase(), createTestDatabase()])
afterAll(() => Promise.all([...databases, ...kafkaDatabases].map(({ drop }) => drop())))

const chaos = async (producer: { url: string }, consumer: { url: string }, brokerUrl: string) => {
  const log: Array<string> = []
  const result = await runChaos({
    seed,
    messages: 20_000,
    faults: 14,
    producerUrl: producer.url,
    consumerUrl: consumer.url,
    brokerUrl,
    say: (line) => log.push(line),
  })
  console.info(`CHAOS_SEED=${seed}`, JSON.stringify(result))
  const { messages, injected, ...violations } = result
  expect(messages).toBeGreaterThanOrEqual(20_000)
  expect(Object.values(injected).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(10)
  expect(violations, log.slice(-30).join("")).toEqual({
    doubled: 0,
    missing: 0,
    outOfOrder: 0,
    leftInOutbox: 0,
    deadLetters: 0,
  })
}

describe("two relays and three consumers, killed and stopped at random", () => {
  it("give each message its effect once and in order over the PostgreSQL broker", async () => {
    const [producer, consumer, broker] = databases
    if (producer === undefined || consumer === undefined || broker === undefined) throw new Error("no databases")
    await chaos(producer, consumer, broker.url)
  }, 240_000)

  it.skipIf(kafkaIsMissing())(
    "give each message its effect once and in order over Kafka",
    async () => {
      const [producer, consumer] = kafkaDatabases
      if (producer === undefined || consumer === undefined) throw new Error("no databases")
      await chaos(producer, consumer, `kafka://${await sharedKafka()}`)
    },
    240_000,
  )
})
