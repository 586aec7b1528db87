// Stands in for a service: says what a service says, serves /env, and does what its environment asks for.

import { appendFileSync } from "node:fs"
import { createServer } from "node:http"

const { PORT, HOST, STANDIN_DIES, STANDIN_JOURNAL } = process.env
const journal = (event) => STANDIN_JOURNAL && appendFileSync(STANDIN_JOURNAL, `${event} ${process.pid}\n`)

journal("start")
if (STANDIN_DIES === "before") {
  console.error("DATABASE_URL is no URL")
  process.exit(1)
}
const server = createServer((_, response) => response.end(JSON.stringify({ pid: process.pid, env: process.env })))
server.listen(Number(PORT), HOST, () => {
  console.log("Started App")
  if (STANDIN_DIES === "after") process.exit(3)
})
process.on("SIGTERM", () => {
  journal("term")
  server.close(() => process.exit(0))
  server.closeAllConnections()
})
