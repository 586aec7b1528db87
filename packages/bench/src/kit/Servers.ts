import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { startKafka } from "@tandem/dev-stack/Kafka"
import { jarsDirectory } from "@tandem/dev-stack/StateDirectory"

/** What a benchmark of the kit runs on: both servers real and durable, as the services have them. */
export interface Servers {
  /** A database of its own. */
  readonly databaseUrl: string
  /** `127.0.0.1:port` of a Kafka of one node. */
  readonly kafka: string
  readonly stop: () => Promise<void>
}

/** Starts them in a folder that is removed afterwards. */
export const startServers = async (): Promise<Servers> => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(directory, 0o755)
  const [postgres, kafka] = await Promise.all([
    startPostgres({ directory: join(directory, "postgres"), fresh: true }),
    startKafka({ directory: join(directory, "kafka"), jars: jarsDirectory }),
  ])
  return {
    databaseUrl: await postgres.ensureDatabase("bench"),
    kafka: kafka.brokers,
    stop: async () => {
      await Promise.all([postgres.stop(), kafka.stop()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
