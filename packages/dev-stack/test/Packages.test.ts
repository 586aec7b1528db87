import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { afterAll, describe, expect, it } from "vitest"

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const packages = join(repository, "packages")
const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8"))
const published = readdirSync(packages).filter((folder) => manifestOf(folder).private !== true)

const scratch = mkdtempSync(join(tmpdir(), "tandem-pack-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const pack = (folder: string): Buffer => {
  const said = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", scratch], {
    cwd: join(packages, folder),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  })
  const [{ filename }] = JSON.parse(said) as [{ readonly filename: string }]
  return readFileSync(join(scratch, filename))
}

/** Every module of `src` that the exports let others import. */
const entrypoints = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(packages, folder, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("internal"))
    .map((file) => file.replace(/\.ts$/, ""))

const nameOf = (specifier: string) =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

it("publishes the kit and nothing of the services", () => {
  expect(published).toEqual(expect.arrayContaining(["messaging", "messaging-kafka", "messaging-postgres"]))
  expect(published.filter((folder) => !folder.startsWith("messaging"))).toEqual([])
})

describe.each(published)("packages/%s as an npm package", (folder) => {
  it("has nothing that publint would change", async () => {
    const { messages, pkg } = await publint({ pkgDir: join(packages, folder), pack: "npm", strict: true })
    expect(messages.map((message) => formatMessage(message, pkg ?? {}))).toEqual([])
  })

  it("has types that every resolution finds, as ES modules", async () => {
    const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(pack(folder))), {
      entrypoints: [...entrypoints(folder)],
    })
    if (analysis.types === false) throw new Error("the package has no types")
    // ES modules only, so that CommonJS must `import()` them; and the old resolution of Node 10 knows no exports.
    const problems = analysis.problems.filter(
      (problem) =>
        problem.kind !== "CJSResolvesToESM" && !("resolutionKind" in problem && problem.resolutionKind === "node10"),
    )
    expect(problems).toEqual([])
  })

  it("imports nothing that its manifest does not name", () => {
    const { name, dependencies = {}, peerDependencies = {} } = manifestOf(folder)
    const named = new Set([name, ...Object.keys(dependencies), ...Object.keys(peerDependencies)])
    const sources = readdirSync(join(packages, folder, "src"), { recursive: true, encoding: "utf8" })
    const imported = sources
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => [
        ...readFileSync(join(packages, folder, "src", file), "utf8").matchAll(/from "([^".][^"]*)"/g),
      ])
      .flatMap(([, specifier]) => (specifier === undefined ? [] : [nameOf(specifier)]))
    expect([...new Set(imported)].filter((one) => !one.startsWith("node:") && !named.has(one))).toEqual([])
  })
})
