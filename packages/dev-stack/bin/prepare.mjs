// Plain JavaScript with nothing but Node, for it runs before anything is installed.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const repository = fileURLToPath(new URL("../../../", import.meta.url))
const packages = readdirSync(join(repository, "packages"))
const pnpm = "pnpm@12.21.0"
const oldestNode = [20, 19, 4]

/** One sentence, and the end. */
export const fail = (sentence) => {
  console.error(sentence)
  process.exit(1)
}

export const checkNode = () => {
  const current = process.versions.node.split(".").map(Number)
  const difference = oldestNode.map((part, index) => current[index] - part).find((part) => part !== 0) ?? 0
  if (difference < 0) fail(`Tandem needs Node ${oldestNode.join(".")} or newer, and this is ${process.versions.node}.`)
}

/** Runs a command at the root; resolves with its exit code. */
export const run = (command, parameters, options = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd: repository, stdio: "inherit", ...options })
    child.on("error", () => resolve(127))
    child.on("close", (code) => resolve(code ?? 1))
  })

/** Runs a program of node_modules/.bin without asking npx. */
export const runTool = (packageName, program, parameters, options) =>
  run(process.execPath, [join(repository, "node_modules", packageName, program), ...parameters], options)

const stamps = join(repository, "node_modules", ".tandem")
const stampIs = (name, value) => existsSync(join(stamps, name)) && readFileSync(join(stamps, name), "utf8") === value
const stamp = (name, value) => {
  mkdirSync(stamps, { recursive: true })
  writeFileSync(join(stamps, name), value)
}

const hashOf = (entries) => {
  const hash = createHash("sha256")
  for (const entry of entries) hash.update(entry).update("\0")
  return hash.digest("hex")
}

/** Installs when the lockfile or a manifest differs from what is installed; only then is a registry asked. */
export const install = async () => {
  const files = ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"]
    .concat(packages.map((name) => join("packages", name, "package.json")))
    .filter((file) => existsSync(join(repository, file)))
  const wanted = hashOf(files.map((file) => readFileSync(join(repository, file))))
  if (stampIs("installed", wanted)) return
  console.log(`Installing with ${pnpm} …`)
  const npx = process.platform === "win32" ? "npx.cmd" : "npx"
  const code = await run(npx, ["--yes", pnpm, "install", "--frozen-lockfile"], {
    shell: process.platform === "win32",
    stdio: ["ignore", "inherit", "inherit"],
    // pnpm asks before it replaces a node_modules of somebody else's making; nobody is there to answer.
    env: { ...process.env, CI: "true" },
  })
  if (code !== 0) fail("The installation failed; what pnpm said stands above.")
  stamp("installed", wanted)
}

/** What a build does not read, or makes itself. */
const notSources = new Set(["node_modules", "dist", "test", ".tandem"])

const sources = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return notSources.has(entry.name) ? [] : sources(path)
    const { mtimeMs, size } = statSync(path)
    return [`${path} ${mtimeMs} ${size}`]
  })

const fingerprint = () => {
  const installed = join(stamps, "installed")
  const root = ["tsconfig.json", "tsconfig.base.json"].map((file) => readFileSync(join(repository, file)))
  return hashOf([
    existsSync(installed) ? readFileSync(installed) : "",
    ...root,
    ...packages.flatMap((name) => sources(join(repository, "packages", name))),
  ])
}

const page = join(repository, "packages", "notification-page")

/** Whether what was built is still there; somebody may have removed it. */
const isBuilt = () =>
  existsSync(join(page, "dist", "index.html")) &&
  packages.every(
    (name) =>
      !existsSync(join(repository, "packages", name, "tsconfig.json")) ||
      existsSync(join(repository, "packages", name, "dist")),
  )

/** Compiles every package; the exit code. */
export const compile = () => runTool("typescript", "bin/tsc", ["-b"])

/** Builds the page, which reads what was compiled; the exit code. */
export const buildPage = () =>
  run(process.execPath, [join(page, "node_modules", "vite", "bin", "vite.js"), "build", "--logLevel", "warn"], {
    cwd: page,
  })

/** Remembers that everything stands built as the sources are now, so that the next start does not look again. */
export const buildFrom = async (steps) => {
  const before = fingerprint()
  for (const step of steps) if ((await step()) !== 0) return false
  stamp("built", before)
  return true
}

/** Compiles the packages and the page; what has not changed since the last time is not looked at again. */
export const build = async () => {
  if (stampIs("built", fingerprint()) && isBuilt()) return
  console.log("Building …")
  if (!(await buildFrom([compile, buildPage]))) fail("The build failed; what the compiler said stands above.")
}

export const prepare = async () => {
  checkNode()
  await install()
  await build()
}
