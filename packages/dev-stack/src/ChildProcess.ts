import { type ChildProcess, spawn } from "node:child_process"

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
