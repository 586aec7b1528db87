import { prepare } from "./prepare.mjs"

await prepare()
await import("../../system-tests/dist/faults/main.js")
