import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort, identify, Refusal, readPidFile, waitUntil } from "@tandem/dev-stack/Processes"
import { type Service, startService } from "@tandem/dev-stack/Services"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

const program = fileURLToPath(new URL("./standins/service.mjs", import.meta.url))

let directory: string
let lines: Array<string>
let faults: Array<Refusal>
const running: Array<Service> = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tandem-services-"))
  lines = []
  faults = []
})

afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.stop()))
  rmSync(directory, { recursive: true, force: true })
})

const start = async (env: Readonly<Record<string, string>> = {}): Promise<Service> => {
  const service = startService({
    service: "order",
    name: "order",
    port: await freePort(),
    env: { STANDIN_JOURNAL: join(directory, "journal"), ...env },
    pidFile: join(directory, "order.pid"),
    program,
    onLine: (line) => lines.push(line),
    onGivenUp: (fault) => faults.push(fault),
  })
  running.push(service)
  return service
}

const answeringPid = async (service: Service): Promise<number | undefined> => {
  try {
    const body: unknown = await (await fetch(service.url)).json()
    return typeof body === "object" && body !== null && "pid" in body ? Number(body.pid) : undefined
  } catch {
    return undefined
  }
}

const starts = () =>
  readFileSync(join(directory, "journal"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("start"))

describe("a supervised service", () => {
  it("is ready once it has said so, and is written down", async () => {
    const service = await start()
    await service.started
    expect(await answeringPid(service)).toBe(service.pid())
    expect(readPidFile(join(directory, "order.pid"))?.pid).toBe(service.pid())
  })

  it("comes back after kill -9, however often, and says so", async () => {
    const service = await start()
    await service.started
    for (let time = 1; time <= 6; time++) {
      const killed = service.pid()
      service.kill9()
      expect(
        await waitUntil(async () => {
          const pid = await answeringPid(service)
          return pid !== undefined && pid !== killed
        }, 10_000),
      ).toBe(true)
    }
    expect(lines.filter((line) => line.includes("was ended by SIGKILL; restarted"))).toHaveLength(6)
    expect(faults).toEqual([])
  })

  it("is given up after five immediate deaths, with its last words, before it was ready", async () => {
    const service = await start({ STANDIN_DIES: "before" })
    await expect(service.started).rejects.toThrow(/ended with code 1, 5 times in a row.*DATABASE_URL is no URL/)
    expect(starts()).toHaveLength(5)
    expect(faults).toHaveLength(1)
  })

  it("is given up after five immediate deaths, also when it was ready each time", async () => {
    const service = await start({ STANDIN_DIES: "after" })
    await service.started
    expect(await waitUntil(() => faults.length > 0, 20_000)).toBe(true)
    expect(faults[0]?.message).toMatch(/ended with code 3, 5 times in a row/)
    expect(starts()).toHaveLength(5)
  })

  it("restarts with SIGTERM, and only once", async () => {
    const service = await start()
    await service.started
    const first = service.pid()
    await service.restart()
    expect(service.pid()).not.toBe(first)
    expect(await answeringPid(service)).toBe(service.pid())
    expect(starts()).toHaveLength(2)
    expect(readFileSync(join(directory, "journal"), "utf8")).toContain(`term ${first}`)
  })

  it("restarts once when it had just died, and its next death is a death", async () => {
    const service = await start()
    await service.started
    service.kill9()
    expect(await waitUntil(() => !existsSync(join(directory, "order.pid")), 5_000)).toBe(true)
    await service.restart()
    expect(await answeringPid(service)).toBe(service.pid())
    expect(starts()).toHaveLength(2)
    const restarts = lines.filter((line) => line.includes("restarted")).length
    service.kill9()
    expect(await waitUntil(() => lines.filter((line) => line.includes("restarted")).length > restarts, 5_000)).toBe(
      true,
    )
  })

  it("ends for good, and takes its pid file with it", async () => {
    const service = await start()
    await service.started
    const pid = service.pid()
    await service.stop()
    expect(identify(pid)).toBeUndefined()
    expect(readPidFile(join(directory, "order.pid"))).toBeUndefined()
    expect(starts()).toHaveLength(1)
  })

  it("tells who waits for its start that it was stopped", async () => {
    const service = await start()
    await service.stop()
    await expect(service.started).rejects.toBeInstanceOf(Refusal)
    expect(faults).toEqual([])
  })

  it("gets no database of the shell's", async () => {
    process.env["PGHOST"] = "elsewhere"
    process.env["PAYMENT_TIMEOUT"] = "1 minute"
    try {
      const service = await start({ DATABASE_URL: "postgres://ours" })
      await service.started
      const { env } = (await (await fetch(service.url)).json()) as { env: Record<string, string> }
      expect(env).toMatchObject({ DATABASE_URL: "postgres://ours", PAYMENT_TIMEOUT: "1 minute", HOST: "127.0.0.1" })
      expect(env["PGHOST"]).toBeUndefined()
    } finally {
      delete process.env["PGHOST"]
      delete process.env["PAYMENT_TIMEOUT"]
    }
  })
})
