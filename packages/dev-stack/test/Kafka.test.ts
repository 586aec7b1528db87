import { execFileSync } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
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

describe.skipIf(process.platform === "win32")("a machine without what Kafka needs", () => {
  const scratch = mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "path-"))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  /** What a process says that has only these programs on its PATH: what is lacking, and why Kafka did not start. */
  const said = (programs: Readonly<Record<string, string>>): ReadonlyArray<string> => {
    const path = mkdtempSync(join(scratch, "bin-"))
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(path, name), 0o755)
    }
    const module = pathToFileURL(fileURLToPath(new URL("../dist/Kafka.js", import.meta.url)))
    const program = `
      const { startKafka, whatKafkaLacks } = await import(${JSON.stringify(module.href)})
      const options = ${JSON.stringify({ directory: join(path, "kafka"), jars: join(path, "jars") })}
      const refusal = await startKafka(options).then(() => "it started", (error) => error.constructor.name + ": " + error.message)
      console.log(JSON.stringify([whatKafkaLacks(options.jars), refusal]))`
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
      env: { PATH: path },
      encoding: "utf8",
      timeout: 60_000,
    })
    return JSON.parse(output)
  }
  const java = (version: string) => `echo 'openjdk version "${version}" 2024-01-16' >&2`

  it.each([
    ["no java", {}, "Kafka needs Java 17 or newer, and there is no `java` on the PATH."],
    ["an old java", { java: java("11.0.22") }, "Kafka needs Java 17 or newer, and the `java` on the PATH is 11."],
    ["a very old java", { java: java("1.8.0_402") }, "Kafka needs Java 17 or newer, and the `java` on the PATH is 8."],
    ["no maven", { java: java("17.0.10") }, "Kafka's jars come through Maven, and there is no `mvn` on the PATH."],
  ])("is told in one sentence: %s", (_, programs, sentence) => {
    expect(said(programs)).toEqual([sentence, `Refusal: ${sentence}`])
  })
})
