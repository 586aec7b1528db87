import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { startKafka, whatKafkaLacks } from "./Kafka.js"
import { identify, readPidFile, terminate, writePidFile } from "./Processes.js"
import { jarsDirectory } from "./StateDirectory.js"

/**
 * Whether Kafka can run here. Where it cannot, its tests are skipped with a loud word; under CI=true they run and fail, for a
 * check that is quietly absent is none.
 */
export const kafkaIsMissing = (): boolean => {
  if (process.env["CI"] === "true") return false
  const lack = whatKafkaLacks()
  if (lack !== undefined) console.warn(`SKIPPING EVERY TEST OVER KAFKA: ${lack}`)
  return lack !== undefined
}

/** The address of the Kafka that all tests of a run share; whoever asks first starts it. */
export const sharedKafka = async (): Promise<string> => {
  const directory = process.env["TANDEM_TEST_DIRECTORY"]
  if (directory === undefined)
    throw new Error("TANDEM_TEST_DIRECTORY is not set: is the global setup in vitest.config.ts?")
  const address = join(directory, "kafka-address")
  if (!existsSync(address) && claim(join(directory, "kafka.lock"))) {
    const kafka = await startKafka({ directory: join(directory, "kafka"), jars: jarsDirectory })
    const identity = identify(kafka.pid)
    if (identity !== undefined) writePidFile(join(directory, "kafka.pid"), identity)
    writeFileSync(address, kafka.brokers)
  }
  const deadline = Date.now() + 120_000
  while (!existsSync(address)) {
    if (Date.now() > deadline) throw new Error("the shared Kafka did not start within two minutes")
    await delay(50)
  }
  return readFileSync(address, "utf8")
}

const claim = (lock: string): boolean => {
  try {
    mkdirSync(lock)
    return true
  } catch {
    return false
  }
}

/** Ends the shared Kafka, if anybody started it; its data is thrown away, so it need not end in order. */
export const stopSharedKafka = async (directory: string): Promise<void> => {
  const kafka = readPidFile(join(directory, "kafka.pid"))
  if (kafka !== undefined) await terminate(kafka, [])
}
