import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Kafka, kafkaAnswers, startKafka } from "@tandem/dev-stack/Kafka"
import { identify } from "@tandem/dev-stack/Processes"
import { jarsDirectory } from "@tandem/dev-stack/StateDirectory"
import { kafkaIsMissing, sharedKafka } from "@tandem/dev-stack/TestKafka"
import { Kafka as Client, logLevel } from "kafkajs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const administer = async <A>(brokers: string, use: (admin: ReturnType<Client["admin"]>) => Promise<A>): Promise<A> => {
  const admin = new Client({
    brokers: [brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 8, initialRetryTime: 50 },
  }).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

describe.skipIf(kafkaIsMissing())("the embedded Kafka", () => {
  let directory: string
  let kafka: Kafka
  beforeAll(async () => {
    directory = mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "kafka-"))
    kafka = await startKafka({ directory, jars: jarsDirectory })
  }, 120_000)
  afterAll(async () => {
    await kafka?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it("answers, makes topics when asked and none unasked", async () => {
    expect(await kafkaAnswers(kafka.brokers)).toBe(true)
    const topics = await administer(kafka.brokers, async (admin) => {
      await admin.createTopics({ topics: [{ topic: "kept", numPartitions: 8 }], waitForLeaders: true })
      await expect(admin.fetchTopicOffsets("unasked")).rejects.toThrow(/does not host this topic-partition/)
      return admin.listTopics()
    })
    expect(topics).toEqual(["kept"])
  })

  it("keeps its topics over a stop, a kill -9, and a change of ports", async () => {
    for (const end of ["stop", "kill9"] as const) {
      await kafka[end]()
      expect(identify(kafka.pid)).toBeUndefined()
      expect(await kafkaAnswers(kafka.brokers)).toBe(false)
      kafka = await startKafka({ directory, jars: jarsDirectory })
      expect(await administer(kafka.brokers, (admin) => admin.listTopics())).toContain("kept")
    }
  }, 120_000)

  it("ends one that a killed parent left on the data", async () => {
    const orphan = kafka
    kafka = await startKafka({ directory, jars: jarsDirectory })
    expect(identify(orphan.pid)).toBeUndefined()
    expect(await kafkaAnswers(kafka.brokers)).toBe(true)
  }, 120_000)

  it("is shared by all who ask in one run", async () => {
    const [first, second] = await Promise.all([sharedKafka(), sharedKafka()])
    expect(first).toBe(second)
    expect(await kafkaAnswers(first)).toBe(true)
  }, 120_000)
})
