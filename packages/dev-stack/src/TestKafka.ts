import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { kafkaPidFile, startKafka, whatKafkaLacks } from "./Kafka.js"
import { readPidFile, terminate, waitUntil } from "./Processes.js"
import { jarsDirectory } from "./StateDirectory.js"

/**
 * Whether Kafka can run here. Where it cannot, its tests are skipped with a loud word; under CI=true they run and fail, for a
 * check that is quietly absent is none.
 */
export const kafkaIsMissing = (): boolean => {
  if (process.env["CI"] === "true") return false
  const lack = whatKafkaLacks(jarsDirectory)
  if (lack !== undefined) console.warn(`SKIPPING EVERY TEST OVER KAFKA: ${lack}`)
  return lack !== undefined
}

/** The address of the Kafka that all tests of a run share; whoever asks first starts it. */
export const sharedKafka = async (): Promise<string> => {
  const directory = process.env["TANDEM_TEST_DIRECTORY"]
  if (directory === undefined)
    throw new Error("TANDEM_TEST_DIRECTORY is not set: is the global setup in vitest.config.ts?")
  const address = join(directory, "kafka-address")
  const failure = join(directory, "kafka-failure")
  if (!existsSync(address) && claim(join(directory, "kafka.lock"))) {
    try {
      const kafka = await startKafka({ directory: join(directory, "kafka"), jars: jarsDirectory })
      publish(address, kafka.brokers)
    } catch (error) {
      publish(failure, error instanceof Error ? error.message : String(error))
    }
  }
  if (!(await waitUntil(() => existsSync(address) || existsSync(failure), 120_000))) {
    throw new Error("the shared Kafka did not start within two minutes")
  }
  if (existsSync(failure)) throw new Error(readFileSync(failure, "utf8"))
  return readFileSync(address, "utf8")
}

/** Writes a file that others wait for: it is there whole, or not at all. */
const publish = (file: string, text: string): void => {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
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
  const kafka = readPidFile(kafkaPidFile(join(directory, "kafka")))
  if (kafka !== undefined) await terminate(kafka, [])
}
