import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { startPostgres } from "./EmbeddedPostgres.js"
import { identify, readPidFile, terminate, writePidFile } from "./Processes.js"
import { stopSharedKafka } from "./TestKafka.js"
import { serverVariable } from "./TestPostgres.js"

const prefix = "tandem-tests-"
const runPidFile = (directory: string) => join(directory, "run.pid")

const remember = (file: string, pid: number): void => {
  const identity = identify(pid)
  if (identity !== undefined) writePidFile(file, identity)
}

/** A run that was killed leaves its servers and stacks running; the next run ends them. */
const endKilledRuns = async (): Promise<void> => {
  const ours = process.getuid?.()
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const directory = join(tmpdir(), name)
    const found = statSync(directory, { throwIfNoEntry: false })
    // A folder as young as this may be one whose run has not written itself down yet.
    if (found === undefined || found.uid !== ours || Date.now() - found.mtimeMs < 60_000) continue
    if (readPidFile(runPidFile(directory)) !== undefined) continue
    for (const file of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
      if (basename(file) === "postmaster.pid") continue
      if (!file.endsWith(".pid") && basename(dirname(file)) !== "pids") continue
      const left = readPidFile(join(directory, file))
      if (left !== undefined) await terminate(left, [])
    }
    rmSync(directory, { recursive: true, force: true })
  }
}

/** One PostgreSQL for all tests of a run; not durable, for a run outlives no crash. A Kafka is started by who asks first. */
export default async () => {
  await endKilledRuns()
  const directory = mkdtempSync(join(tmpdir(), prefix))
  remember(runPidFile(directory), process.pid)
  // The user that runs the server when root starts it must be able to enter.
  chmodSync(directory, 0o755)
  process.env["TANDEM_TEST_DIRECTORY"] = directory
  const server = await startPostgres({ directory: join(directory, "postgres"), durable: false })
  remember(join(directory, "postgres.pid"), server.pid)
  process.env[serverVariable] = server.url("postgres")
  return async () => {
    await stopSharedKafka(directory)
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}
