import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  identify,
  isPortFree,
  isRunning,
  type ProcessIdentity,
  readPidFile,
  terminate,
  waitUntil,
  writePidFile,
} from "@tandem/dev-stack/Processes"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

let directory: string
const children: Array<ChildProcess> = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tandem-processes-"))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
  rmSync(directory, { recursive: true, force: true })
})

/** A process that says when it listens to signals, so that no test races with its start. */
const child = async (
  script: string,
): Promise<{ readonly process: ChildProcess; readonly identity: ProcessIdentity }> => {
  const started = spawn(process.execPath, ["-e", `${script}; setInterval(() => {}, 1000); console.log("up")`], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  children.push(started)
  await new Promise((resolve) => started.stdout.once("data", resolve))
  const identity = started.pid === undefined ? undefined : identify(started.pid)
  if (identity === undefined) throw new Error("the process is not running")
  return { process: started, identity }
}

describe("a pid file", () => {
  it("finds the process that was written down", async () => {
    const { identity } = await child("")
    const file = join(directory, "pids", "one")
    writePidFile(file, identity)
    expect(readPidFile(file)).toEqual(identity)
  })

  it.each([
    ["start time", { startedAt: "1" }],
    ["command line", { command: "somebody else" }],
  ])("does not mistake a process with another %s for it, and is removed", async (_, other) => {
    const { process, identity } = await child("")
    const file = join(directory, "one")
    writePidFile(file, { ...identity, ...other })
    expect(readPidFile(file)).toBeUndefined()
    expect(existsSync(file)).toBe(false)
    await terminate({ ...identity, ...other }, [["SIGKILL", 1_000]])
    expect(process.signalCode).toBeNull()
    expect(isRunning(identity)).toBe(true)
  })

  it("names nobody when it was cut short", () => {
    const file = join(directory, "one")
    writeFileSync(file, '{"pid":')
    expect(readPidFile(file)).toBeUndefined()
  })
})

describe("terminate", () => {
  it("asks first", async () => {
    const { process, identity } = await child("process.on('SIGTERM', () => process.exit(7))")
    await terminate(identity)
    await waitUntil(() => process.exitCode !== null, 5_000)
    expect([process.exitCode, process.signalCode]).toEqual([7, null])
  })

  it("kills what does not listen", async () => {
    const { process, identity } = await child("process.on('SIGTERM', () => {})")
    await terminate(identity, [["SIGTERM", 100]])
    expect(isRunning(identity)).toBe(false)
    await waitUntil(() => process.signalCode !== null, 5_000)
    expect(process.signalCode).toBe("SIGKILL")
  })

  it("ends a stopped process too", async () => {
    const { identity } = await child("")
    process.kill(identity.pid, "SIGSTOP")
    await terminate(identity, [["SIGTERM", 100]])
    expect(isRunning(identity)).toBe(false)
  })
})

it("a port that somebody listens on is not free", async () => {
  const server = createServer()
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })
  expect(await isPortFree(port)).toBe(false)
  await new Promise((resolve) => server.close(resolve))
  expect(await isPortFree(port)).toBe(true)
})
