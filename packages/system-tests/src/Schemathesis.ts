import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../schemathesis/", import.meta.url))
const requirements = join(folder, "requirements.txt")

/** Git-ignored, and kept between runs: installing takes ten seconds and 90 MB. Another list of packages is another environment. */
const environment = () =>
  fileURLToPath(
    new URL(
      `../../../.tandem/schemathesis/${createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 12)}/`,
      import.meta.url,
    ),
  )

/** How long an installation may take, in ms. */
const installTime = 240_000

/** Installs schemathesis from PyPI into an environment of its own, once; what is in the way of that, or undefined. */
const whatIsLacking = (): string | undefined => {
  const home = environment()
  const done = join(home, "installed")
  if (existsSync(done)) return undefined
  const run = (command: string, parameters: ReadonlyArray<string>) =>
    spawnSync(command, parameters, { encoding: "utf8", timeout: installTime })
  if (run("python3", ["-c", "import ensurepip, venv"]).status !== 0) return "there is no python3 with venv"
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  if (run("python3", ["-m", "venv", home]).status !== 0) return "python3 cannot make an environment"
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]
  const installed = run(join(home, "bin", "python"), pip)
  if (installed.status !== 0) {
    return `its packages cannot be installed: ${installed.stderr.trim().split("\n").at(-1) ?? "pip does not say why"}`
  }
  writeFileSync(done, "")
  return undefined
}

/**
 * Whether schemathesis cannot run here. Then its tests are skipped with a loud word; under CI=true they run and fail, for a check that
 * is quietly absent is none.
 */
export const schemathesisIsMissing = (): boolean => {
  const lack = whatIsLacking()
  if (lack !== undefined) console.warn(`SKIPPING THE FUZZING OF BOTH APIS: ${lack}`)
  return lack !== undefined && process.env["CI"] !== "true"
}

/** How a fuzzing went. */
export interface Fuzzed {
  /** 0 when nothing was found. */
  readonly code: number
  /** What schemathesis says, with how to do each finding again. */
  readonly output: string
}

/**
 * Tries a running service against the document that it serves: examples, edge cases, random input, and operations after each other.
 *
 * @param seconds how long; `TANDEM_FUZZ_SECONDS` when it is set. `TANDEM_FUZZ_SEED` tries other input than the usual
 * @param env values for `schemathesis.toml`
 */
export const fuzz = async (
  url: string,
  seconds: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Fuzzed> => {
  // It leaves its findings where it stands.
  const workplace = mkdtempSync(join(tmpdir(), "tandem-fuzz-"))
  const time = process.env["TANDEM_FUZZ_SECONDS"] ?? String(seconds)
  const seed = process.env["TANDEM_FUZZ_SEED"] ?? "1"
  const options = ["--max-time", time, "--seed", seed, "--warnings", "off", "--continue-on-failure"]
  const child = spawn(
    join(environment(), "bin", "schemathesis"),
    ["--no-color", "--config-file", join(folder, "schemathesis.toml"), "run", `${url}/openapi.json`, ...options],
    { cwd: workplace, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  )
  let output = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text
    })
  }
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", reject).on("close", (code) => resolve({ code: code ?? 1, output }))
    })
  } finally {
    child.kill("SIGKILL")
    rmSync(workplace, { recursive: true, force: true })
  }
}
