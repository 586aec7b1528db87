import { type ChildProcess, spawn } from "node:child_process"

const ours = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of ours) child.kill("SIGKILL")
})

/** Whatever way this process exits, the child does not outlive it; only a kill -9 of this one leaves it running. */
export const endWithUs = (child: ChildProcess): void => {
  ours.add(child)
  child.once("exit", () => ours.delete(child))
}

/** Ctrl-C and SIGTERM end this process at once, and what it started with it: for programs whose data nobody wants afterwards. */
export const exitOnSignals = (): void => {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => process.exit(130))
}

/**
 * Starts a process in a group of its own, so that a Ctrl-C in the terminal reaches it only through us, and hands over what it
 * says line by line. A program that cannot be started says why in a line, and ends.
 */
export const startChild = (
  command: string,
  parameters: ReadonlyArray<string>,
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly onLine: (line: string) => void },
): ChildProcess => {
  const child = spawn(command, parameters, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  endWithUs(child)
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ""
    stream?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) options.onLine(line)
    })
    stream?.on("end", () => rest !== "" && options.onLine(rest))
  }
  child.on("error", (error) => options.onLine(error.message))
  return child
}
