import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres } from "./EmbeddedPostgres.js"
import { stopSharedKafka } from "./TestKafka.js"
import { serverVariable } from "./TestPostgres.js"

/** One PostgreSQL for all tests of a run; not durable, for a run outlives no crash. A Kafka is started by who asks first. */
export default async () => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-tests-"))
  // The user that runs the server when root starts it must be able to enter.
  chmodSync(directory, 0o755)
  process.env["TANDEM_TEST_DIRECTORY"] = directory
  const server = await startPostgres({
    directory: join(directory, "postgres"),
    durable: false,
  })
  process.env[serverVariable] = server.url("postgres")
  return async () => {
    await stopSharedKafka(directory)
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}
