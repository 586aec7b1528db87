import { once } from "node:events"
import { resolve } from "node:path"
import { killEverything, watchStarter } from "./Leftovers.js"
import type { LocalIssuer } from "./LocalIssuer.js"
import { UsageRefusal } from "./Processes.js"
import { type Stack, startStack } from "./Stack.js"
import { readStartOptions, type StartOptions, usage } from "./StartOptions.js"
import { stateDirectory } from "./StateDirectory.js"

const colours: Readonly<Record<string, number>> = { order: 36, payment: 35, kafka: 33 }

const prefix = (source: string): string => {
  const text = `[${source}]`.padEnd(10)
  return process.stdout.isTTY && process.env["NO_COLOR"] === undefined
    ? `\u001b[${colours[source] ?? 37}m${text}\u001b[0m`
    : text
}

/** Kafka speaks of every segment and election; a newcomer needs to see the services, and what goes wrong. */
const isWorthShowing = (source: string, line: string): boolean =>
  source !== "kafka" || /ERROR|FATAL|fetching/.test(line)

const attempts = ({ orderUrl, paymentUrl }: Stack): string => `
Try it:

  curl -X POST "${paymentUrl}/accounts?userId=1&amount=1000"
  curl -X POST "${orderUrl}/orders?userId=1&amount=500"
`

/** The same for a system that asks who calls. */
const attemptsWithTokens = async ({ orderUrl, paymentUrl }: Stack, { token }: LocalIssuer): Promise<string> => `
Both services ask who calls. These tokens are good for 12 hours, or until this ends:

  USER1=${await token({ sub: "1", scope: "accounts:fund" })}

  USER2=${await token({ sub: "2", scope: "accounts:fund" })}

  OPERATOR=${await token({ sub: "operator", scope: "operator accounts:fund" })}

Try it:

  curl -X POST -H "Authorization: Bearer $USER1" "${paymentUrl}/accounts?userId=1&amount=1000"
  curl -X POST -H "Authorization: Bearer $USER1" "${orderUrl}/orders?userId=1&amount=500"
  curl -i -H "Authorization: Bearer $USER2" "${paymentUrl}/accounts/1"      # 404: it is somebody else's
  curl -H "Authorization: Bearer $OPERATOR" "${orderUrl}/orders?userId=1"
`

/** The time since the process began, so that an installation or a build counts. */
const invitation = async (stack: Stack): Promise<string> => `
Tandem is running (ready in ${(performance.now() / 1_000).toFixed(1)} s).

  the page          ${stack.orderUrl}/index.html?userId=1
  order service     ${stack.orderUrl}/swagger-ui/index.html
  payment service   ${stack.paymentUrl}/swagger-ui/index.html
${stack.issuer === undefined ? attempts(stack) : await attemptsWithTokens(stack, stack.issuer)}
Ctrl-C ends it.
`

/** Runs the stack until a signal or a failure ends it; resolves with the exit code. */
const run = async (options: StartOptions): Promise<number> => {
  const state = resolve(options.state ?? stateDirectory)
  const ending = new AbortController()
  let code = 0
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (ending.signal.aborted) {
        killEverything(state)
        process.exit(130)
      }
      if (process.stdout.isTTY) console.log("\nEnding; Ctrl-C again ends at once.")
      ending.abort()
    })
  }
  watchStarter(() => ending.abort())
  const { help: _, ...wanted } = options
  try {
    const stack = await startStack({
      ...wanted,
      state,
      signal: ending.signal,
      onLine: (source, line) => {
        if (isWorthShowing(source, line)) console.log(`${prefix(source)} ${line}`)
      },
      onFailure: (fault) => {
        console.error(fault.message)
        code = 1
        ending.abort()
      },
    })
    console.log(await invitation(stack))
    if (!ending.signal.aborted) await once(ending.signal, "abort")
    await stack.stop()
  } catch (error) {
    // What ended us while starting has been told.
    if (!ending.signal.aborted) throw error
  }
  return code
}

// A closed terminal or pipe must not end us before everything that we started has ended in order.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)

try {
  const options = readStartOptions(process.argv.slice(2))
  if (options.help) console.log(usage)
  else process.exitCode = await run(options)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = error instanceof UsageRefusal ? 2 : 1
}
