import { resolve } from "node:path"
import { Refusal } from "./Processes.js"
import { startStack } from "./Stack.js"
import { readStartOptions, type StartOptions, usage } from "./StartOptions.js"
import { stateDirectory } from "./StateDirectory.js"

const colours: Readonly<Record<string, number>> = { order: 36, payment: 35, kafka: 33, postgres: 34 }

const prefix = (source: string): string => {
  const text = `[${source}]`.padEnd(10)
  return process.stdout.isTTY ? `\u001b[${colours[source] ?? 37}m${text}\u001b[0m` : text
}

/** PostgreSQL and Kafka speak of every checkpoint and segment; a newcomer needs to see the services, and what goes wrong. */
const isWorthShowing = (source: string, line: string): boolean =>
  source === "order" ||
  source === "payment" ||
  (source === "postgres" ? /FATAL|PANIC/.test(line) : /ERROR|FATAL|fetching/.test(line))

const invitation = (orderUrl: string, paymentUrl: string): string => `
Tandem is running.

  the page          ${orderUrl}/index.html?userId=1
  order service     ${orderUrl}/swagger-ui/index.html
  payment service   ${paymentUrl}/swagger-ui/index.html

Try it:

  curl -X POST "${paymentUrl}/accounts?userId=1&amount=1000"
  curl -X POST "${orderUrl}/orders?userId=1&amount=500"

Ctrl-C ends it.
`

const run = async (options: StartOptions): Promise<void> => {
  let finish: (code: number) => void = () => undefined
  const finished = new Promise<number>((done) => {
    finish = done
  })
  let asked = 0
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (++asked > 1) process.exit(130)
      if (process.stdout.isTTY) console.log("\nending; Ctrl-C again ends at once")
      finish(0)
    })
  }
  const { help: _, ...wanted } = options
  const starting = startStack({
    ...wanted,
    state: resolve(options.state ?? stateDirectory),
    onLine: (source, line) => {
      if (isWorthShowing(source, line)) console.log(`${prefix(source)} ${line}`)
    },
    onFailure: (fault) => {
      console.error(fault.message)
      finish(1)
    },
  })
  const first = await Promise.race([starting, finished])
  if (typeof first !== "number") console.log(invitation(first.orderUrl, first.paymentUrl))
  const code = await finished
  const stack = await starting.catch(() => undefined)
  await stack?.stop()
  process.exitCode = code
}

try {
  const options = readStartOptions(process.argv.slice(2))
  if (options.help) console.log(usage)
  else await run(options)
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error)
  process.exit(error instanceof Refusal && /--help|--kafka=|takes a port/.test(error.message) ? 2 : 1)
}
