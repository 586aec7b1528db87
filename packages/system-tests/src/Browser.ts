import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { createBrotliDecompress } from "node:zlib"
import { type Browser, chromium } from "playwright-core"

/** Another Chromium than the npm package's, which has one for Linux on x64 only. */
const ownVariable = "TANDEM_CHROMIUM"

/** Git-ignored, and kept between runs: unpacking takes a second. */
const cache = fileURLToPath(new URL("../../../.tandem/chromium/", import.meta.url))

/** For root, for containers, and for a network that leads nowhere. */
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
]

/**
 * The Chromium of the npm package `@sparticuz/chromium`. Its own unpacking takes a file of a fixed name in the shared temporary
 * folder for a whole Chromium, also one that another process has just begun to write; here it appears by a rename.
 */
const packagedChromium = async (): Promise<string> => {
  const folder = join(dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium")), "..", "..")
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }
  const executable = join(cache, version, "chromium")
  if (existsSync(executable)) return executable
  mkdirSync(dirname(executable), { recursive: true })
  const unfinished = `${executable}-${process.pid}`
  await pipeline(
    createReadStream(join(folder, "bin", "chromium.br")),
    createBrotliDecompress(),
    createWriteStream(unfinished, { mode: 0o755 }),
  )
  renameSync(unfinished, executable)
  return executable
}

/**
 * Starts a real, headless Chromium: the one that comes within an npm package, or the one that `TANDEM_CHROMIUM` names. Rejects
 * with one sentence where there is none for this machine, and where the system lacks a library that it links.
 */
export const launchBrowser = async (): Promise<Browser> => {
  const own = process.env[ownVariable] ?? ""
  if (own === "" && (process.platform !== "linux" || process.arch !== "x64")) {
    throw new Error(
      `the npm package has no Chromium for ${process.platform} on ${process.arch}: name one by ${ownVariable}`,
    )
  }
  try {
    return await chromium.launch({ executablePath: own === "" ? await packagedChromium() : own, args: flags })
  } catch (error) {
    const missing = /error while loading shared libraries: ([^\s:]+)/.exec(String(error))?.[1]
    if (missing === undefined) throw error
    throw new Error(`Chromium needs ${missing}, which this system lacks: install the packages libnss3 and libnspr4`)
  }
}
