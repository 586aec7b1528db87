import { once } from "node:events"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { startPostgres } from "./EmbeddedPostgres.js"
import { startKafka } from "./Kafka.js"
import { claimState, endLeftovers, kafkaDirectory, pidFile, remember, watchStarter } from "./Leftovers.js"
import { isPortFree, Refusal } from "./Processes.js"
import { startService } from "./Services.js"
import { jarsDirectory, stateDirectory } from "./StateDirectory.js"

const port = 8082

const invitation = `
The example service is running: its messages go ${process.argv.includes("--kafka") ? "over Kafka" : "over the broker on PostgreSQL"}.

  curl -X POST "http://127.0.0.1:${port}/signups?name=Ada"
  curl "http://127.0.0.1:${port}/welcomes"

Ctrl-C ends it.
`

/** Starts what was asked for, and hands each thing's end to `onEnd`, to be called backwards. */
const start = async (state: string, kafka: boolean, onEnd: (end: () => Promise<void>) => void): Promise<void> => {
  if (!(await isPortFree(port)))
    throw new Refusal(`Port ${port}, which the example needs, is in use: end what listens there.`)
  const postgres = await startPostgres({ directory: join(state, "postgres") })
  onEnd(postgres.stop)
  remember(state, "postgres", postgres.pid)
  const broker = kafka ? await startKafka({ directory: kafkaDirectory(state), jars: jarsDirectory }) : undefined
  if (broker !== undefined) onEnd(broker.stop)
  const service = startService({
    service: "example",
    name: "example",
    port,
    env: {
      DATABASE_URL: await postgres.ensureDatabase("example"),
      BROKER_URL: broker === undefined ? await postgres.ensureDatabase("broker") : `kafka://${broker.brokers}`,
    },
    pidFile: pidFile(state, "example"),
    onLine: (line) => console.log(`[example] ${line}`),
    onGivenUp: (fault) => console.error(fault.message),
  })
  onEnd(service.stop)
  await service.started
}

const run = async (): Promise<void> => {
  const unknown = process.argv.slice(2).find((option) => option !== "--kafka")
  if (unknown !== undefined) throw new Refusal(`npm run example takes no "${unknown}", only --kafka.`)
  const ending = new AbortController()
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => ending.abort())
  watchStarter(() => ending.abort())
  const state = join(stateDirectory, "example")
  mkdirSync(state, { recursive: true })
  const release = await claimState(state)
  const ends: Array<() => Promise<void>> = []
  try {
    await endLeftovers(state)
    await start(state, process.argv.includes("--kafka"), (end) => ends.unshift(end))
    console.log(invitation)
    if (!ending.signal.aborted) await once(ending.signal, "abort")
  } finally {
    for (const end of ends) await end()
    release()
  }
}

try {
  await run()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
