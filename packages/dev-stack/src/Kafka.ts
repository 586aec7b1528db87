import { execFile, spawn, spawnSync } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createConnection } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { startChild } from "./ChildProcess.js"
import { freePort, identify, Refusal, readPidFile, signal, terminate, writePidFile } from "./Processes.js"

/** A running Kafka of one node. */
export interface Kafka {
  /** `127.0.0.1:port`. */
  readonly brokers: string
  readonly pid: number
  /** Ends it in order. */
  readonly stop: () => Promise<void>
  /** kill -9. */
  readonly kill9: () => Promise<void>
  /** Resolves when the process has ended, however. */
  readonly ended: Promise<number | null>
}

/** How to start it. */
export interface KafkaOptions {
  /** Where its log segments live; formatted when new. */
  readonly directory: string
  /** Where the jars are kept between runs. */
  readonly jars: string
  /** A free one when absent. */
  readonly port?: number
  /** A second address: it listens on `port` of 127.0.0.1 and sends clients that come there to `advertisedPort`, where a test has its proxy. */
  readonly proxied?: { readonly port: number; readonly advertisedPort: number }
  readonly onLine?: (line: string) => void
}

const pom = fileURLToPath(new URL("../pom.xml", import.meta.url))

const whatJavaLacks = (): string | undefined => {
  const java = spawnSync("java", ["-version"], { encoding: "utf8" })
  if (java.error !== undefined || java.status !== 0) {
    return "Kafka needs Java 17 or newer, and there is no `java` on the PATH."
  }
  // Java 8 and before called themselves 1.8 and so on.
  const version = /version "(?:1\.)?(\d+)/.exec(`${java.stderr}${java.stdout}`)?.[1]
  if (version === undefined || Number(version) < 17) {
    return `Kafka needs Java 17 or newer, and the \`java\` on the PATH is ${version ?? "of no known version"}.`
  }
  return undefined
}

/** Where the jars that this pom names are kept. */
const jarsFolder = (directory: string): string =>
  join(directory, createHash("sha256").update(readFileSync(pom)).digest("hex").slice(0, 12))

/** What a Kafka needs and is not here, as one sentence; undefined when all is here. Maven is needed until the jars are in `jars`. */
export const whatKafkaLacks = (jars: string): string | undefined => {
  const lack = whatJavaLacks()
  if (lack !== undefined || existsSync(jarsFolder(jars))) return lack
  const maven = spawnSync("mvn", ["--version"], { encoding: "utf8", shell: process.platform === "win32" })
  return maven.error !== undefined || maven.status !== 0
    ? "Kafka's jars come through Maven, and there is no `mvn` on the PATH."
    : undefined
}

/** The folder with Kafka's jars; Maven is asked only when the pom has changed. */
const resolveJars = async (directory: string, onLine: (line: string) => void): Promise<string> => {
  const folder = jarsFolder(directory)
  if (existsSync(folder)) return folder
  const lack = whatKafkaLacks(directory)
  if (lack !== undefined) throw new Refusal(lack)
  onLine("fetching Kafka's jars with Maven, once")
  const partial = `${folder}.${process.pid}`
  const output: Array<string> = []
  const status = await new Promise<number | null>((resolve) => {
    const maven = spawn(
      "mvn",
      ["--batch-mode", "-q", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${partial}`],
      { stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" },
    )
    for (const stream of [maven.stdout, maven.stderr]) stream.on("data", (text) => output.push(String(text)))
    maven.on("error", () => resolve(null))
    maven.on("close", resolve)
  })
  if (status !== 0) {
    rmSync(partial, { recursive: true, force: true })
    const said =
      output
        .join("")
        .split("\n")
        .find((line) => /(FATAL|ERROR)\] \S/.test(line)) ?? "it said nothing"
    throw new Refusal(`Maven could not fetch Kafka's jars: ${said.trim()}`)
  }
  try {
    renameSync(partial, folder)
  } catch {
    // Somebody else was quicker with the same jars.
    rmSync(partial, { recursive: true, force: true })
  }
  return folder
}

const properties = (
  port: number,
  controllerPort: number,
  data: string,
  { proxied }: Pick<KafkaOptions, "proxied">,
): string =>
  Object.entries({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.bootstrap.servers": `127.0.0.1:${controllerPort}`,
    listeners: [
      `PLAINTEXT://127.0.0.1:${port}`,
      `CONTROLLER://127.0.0.1:${controllerPort}`,
      ...(proxied === undefined ? [] : [`PROXIED://127.0.0.1:${proxied.port}`]),
    ].join(),
    "advertised.listeners": [
      `PLAINTEXT://127.0.0.1:${port}`,
      ...(proxied === undefined ? [] : [`PROXIED://127.0.0.1:${proxied.advertisedPort}`]),
    ].join(),
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": data,
    "auto.create.topics.enable": false,
    "group.initial.rebalance.delay.ms": 0,
    // After kill -9 the controller takes the broker back only once its former session has ended; the default is 9 s.
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 1000,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "log.segment.bytes": 134217728,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join("\n")

/** Kafka's warnings and errors, to its output. */
const logging = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
`

/** Where a Kafka on this folder writes down which process it is. */
export const kafkaPidFile = (directory: string): string => join(directory, "kafka.pid")

/**
 * Starts Kafka in KRaft mode and waits until it answers as a broker. One that an earlier run left on the folder is found by
 * its pid file and ended first. Throws a `Refusal` with one sentence when Java or Maven are missing or it cannot start.
 */
export const startKafka = async (options: KafkaOptions): Promise<Kafka> => {
  const onLine = options.onLine ?? (() => undefined)
  const pidFile = kafkaPidFile(options.directory)
  const former = readPidFile(pidFile)
  if (former !== undefined) await terminate(former, [["SIGTERM", 15_000]])
  const jars = await resolveJars(options.jars, onLine)
  const port = options.port ?? (await freePort())
  const data = join(options.directory, "data")
  mkdirSync(options.directory, { recursive: true })
  const config = join(options.directory, "server.properties")
  const loggingConfig = join(options.directory, "log4j2.properties")
  writeFileSync(config, properties(port, await freePort(), data, options))
  writeFileSync(loggingConfig, logging)
  const classPath = join(jars, "*")
  const logOption = `-Dlog4j2.configurationFile=${loggingConfig}`
  if (!existsSync(join(data, "meta.properties"))) {
    rmSync(data, { recursive: true, force: true })
    const id = Buffer.from(randomUUID().replaceAll("-", ""), "hex").toString("base64url")
    // In one word: an id may begin with a dash.
    const parameters = ["format", "--standalone", `--cluster-id=${id}`, "-c", config]
    await promisify(execFile)("java", ["-cp", classPath, logOption, "kafka.tools.StorageTool", ...parameters]).catch(
      (error: Error & { readonly stderr?: string }) => {
        const said = error.stderr?.trim().split("\n")[0] || error.message
        throw new Refusal(whatJavaLacks() ?? `Kafka could not make its data in ${data}: ${said}`)
      },
    )
  }
  const last: Array<string> = []
  const child = startChild(
    "java",
    [
      "-Xms256m",
      "-Xmx512m",
      "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1",
      logOption,
      "-cp",
      classPath,
      "kafka.Kafka",
      config,
    ],
    {
      cwd: options.directory,
      onLine: (line) => {
        last.push(line)
        if (last.length > 50) last.shift()
        onLine(line)
      },
    },
  )
  const pid = child.pid ?? -1
  const identity = identify(pid)
  if (identity !== undefined) writePidFile(pidFile, identity)
  const end = async () => {
    if (identity !== undefined) await terminate(identity, [["SIGTERM", 15_000]])
  }
  const ended = new Promise<number | null>((done) => child.once("close", done))
  let running = true
  void ended.then(() => (running = false))
  const deadline = Date.now() + 60_000
  while (running && Date.now() < deadline) {
    if (await kafkaAnswers(`127.0.0.1:${port}`)) {
      return {
        brokers: `127.0.0.1:${port}`,
        pid,
        ended,
        stop: async () => {
          await end()
          await ended
        },
        kill9: async () => {
          signal(pid, "SIGKILL")
          await ended
        },
      }
    }
    await delay(50)
  }
  if (running) await end()
  const said = last.findLast((line) => /ERROR|FATAL|Exception/.test(line)) ?? last.at(-1) ?? "it said nothing"
  throw new Refusal(
    whatJavaLacks() ??
      `Kafka did not start in ${options.directory} (${said.trim()}); \`npm start -- --kafka --fresh\` begins with empty data.`,
  )
}

/** Whether a Kafka speaks at `host:port`: asks for the API versions, the first thing that a broker can answer (request 18, version 0). */
export const kafkaAnswers = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const request = Buffer.alloc(4 + 2 + 2 + 4 + 2)
    request.writeInt32BE(request.length - 4, 0)
    request.writeInt16BE(18, 4)
    request.writeInt32BE(1, 8)
    request.writeInt16BE(-1, 12)
    const socket = createConnection({
      host: address.slice(0, address.lastIndexOf(":")),
      port: Number(address.slice(address.lastIndexOf(":") + 1)),
    })
    const finish = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(2_000, () => finish(false))
    socket.once("connect", () => {
      // With nobody listening, the system may have joined the socket to itself: it would hear its own request.
      if (socket.localPort === socket.remotePort) finish(false)
      else socket.write(request)
    })
    socket.once("data", () => finish(true))
    socket.once("error", () => finish(false))
    socket.once("close", () => finish(false))
  })
