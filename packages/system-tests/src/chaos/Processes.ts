import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { ChaosEnvironment } from "./Environment.js"

/** A relay or a consumer as a process, started again at once when it dies. */
export interface Supervised {
  readonly name: string
  readonly signal: (name: "SIGKILL" | "SIGSTOP" | "SIGCONT") => void
  /** Ends it for good. */
  readonly end: () => Promise<void>
}

/** Starts a program of this folder; what it says goes to `say`. */
export const supervise = (
  program: "relay" | "consumer",
  name: string,
  told: ChaosEnvironment,
  say: (line: string) => void,
): Supervised => {
  const file = fileURLToPath(new URL(`../../dist/chaos/${program}.js`, import.meta.url))
  let wanted = true
  let child: ChildProcess
  let gone: Promise<void>
  const start = () => {
    const started = spawn(process.execPath, [file], {
      env: { PATH: process.env["PATH"], ...told },
      stdio: ["ignore", "pipe", "pipe"],
    })
    for (const stream of [started.stdout, started.stderr]) stream.on("data", (data) => say(`[${name}] ${data}`))
    child = started
    gone = new Promise((resolve) =>
      started.once("close", () => {
        if (wanted) start()
        resolve()
      }),
    )
  }
  start()
  return {
    name,
    signal: (signal) => void child.kill(signal),
    end: async () => {
      wanted = false
      child.kill("SIGCONT")
      child.kill("SIGTERM")
      const timer = setTimeout(() => child.kill("SIGKILL"), 12_000)
      await gone
      clearTimeout(timer)
    },
  }
}
