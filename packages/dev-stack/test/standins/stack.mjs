// A process that runs a stack of stand-in services until a signal, as `npm start` does: to be killed by the tests.
import { fileURLToPath } from "node:url"
import { startStack } from "@tandem/dev-stack/Stack"

const program = fileURLToPath(new URL("./service.mjs", import.meta.url))
const stack = await startStack({
  state: process.argv[2],
  durable: false,
  programs: { order: program, payment: program },
  onLine: () => undefined,
})
process.on("SIGTERM", () => void stack.stop())
console.log(
  JSON.stringify({ orderUrl: stack.orderUrl, postgres: stack.postgres.pid, order: stack.services.order.pid() }),
)
