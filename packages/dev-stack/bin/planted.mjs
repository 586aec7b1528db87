import { prepare } from "./prepare.mjs"

await prepare()
await import("../../simulation/dist/planted/main.js")
