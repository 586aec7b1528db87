import { parseArgs } from "node:util"
import { UsageRefusal } from "./Processes.js"

/** What `npm start` was asked for. */
export interface StartOptions {
  readonly help: boolean
  readonly fresh: boolean
  /** Both services ask who calls, and believe a local issuer. */
  readonly auth: boolean
  readonly broker: "postgres" | "kafka"
  readonly kafkaBrokers?: string
  readonly orderPort: number
  readonly paymentPort: number
  readonly postgresPort?: number
  readonly state?: string
}

/** The text of `npm start -- --help`. */
export const usage = `npm start [-- options]

  --kafka                 a real Kafka instead of the embedded broker (needs Java 17+ and Maven)
  --kafka=host:port,…     a Kafka that runs already
  --auth                  ask who calls; a local issuer makes tokens, which are printed
  --fresh                 begin with empty databases
  --order-port N          8080 when absent
  --payment-port N        8081 when absent
  --postgres-port N       a free one, kept from run to run, when absent
  --state DIR             where data is kept; .tandem when absent
  --help                  this text`

const port = (text: string, option: string): number => {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= 65_535) return value
  throw new UsageRefusal(`--${option} takes a port between 1 and 65535, not "${text}"`)
}

/** Reads the command line; what is wrong with it is one sentence. */
export const readStartOptions = (parameters: ReadonlyArray<string>): StartOptions => {
  const kafka = parameters.find((parameter) => parameter === "--kafka" || parameter.startsWith("--kafka="))
  const brokers = kafka?.startsWith("--kafka=") ? kafka.slice("--kafka=".length) : undefined
  if (brokers !== undefined && !/^[\w.-]+:\d+(,[\w.-]+:\d+)*$/.test(brokers)) {
    throw new UsageRefusal(`--kafka= takes host:port, or several with commas, not "${brokers}"`)
  }
  const { values } = (() => {
    try {
      return parseArgs({
        args: parameters.filter((parameter) => parameter !== kafka),
        options: {
          auth: { type: "boolean", default: false },
          fresh: { type: "boolean", default: false },
          help: { type: "boolean", default: false },
          "order-port": { type: "string", default: "8080" },
          "payment-port": { type: "string", default: "8081" },
          "postgres-port": { type: "string" },
          state: { type: "string" },
        },
      })
    } catch (error) {
      const message = error instanceof Error ? error.message.split(". ")[0] : String(error)
      throw new UsageRefusal(`${message}; \`npm start -- --help\` lists the options`)
    }
  })()
  return {
    help: values.help,
    auth: values.auth,
    fresh: values.fresh,
    broker: kafka === undefined ? "postgres" : "kafka",
    orderPort: port(values["order-port"], "order-port"),
    paymentPort: port(values["payment-port"], "payment-port"),
    ...(brokers === undefined ? {} : { kafkaBrokers: brokers }),
    ...(values["postgres-port"] === undefined ? {} : { postgresPort: port(values["postgres-port"], "postgres-port") }),
    ...(values.state === undefined ? {} : { state: values.state }),
  }
}
