// `npm test`: everything that must hold, in one command. Further parameters go to vitest.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buildFrom, buildPage, checkNode, compile, install, repository, runTool } from "./prepare.mjs"

checkNode()
await install()

let passed = 0
let failed = 0
let skipped = 0

const step = async (name, work) => {
  console.log(`\n── ${name}`)
  const start = Date.now()
  const code = await work()
  console.log(`── ${name}: ${code === 0 ? "ok" : "FAILED"} (${((Date.now() - start) / 1_000).toFixed(1)} s)`)
  if (code === 0) passed++
  else failed++
  return code === 0
}

const built = await buildFrom([
  async () => ((await step("build", compile)) ? 0 : 1),
  async () => ((await step("page", buildPage)) ? 0 : 1),
])
await step("types of the tests", () => runTool("typescript", "bin/tsc", ["-p", "tsconfig.test.json"]))
// Checked with the sources of everything that they import, so two projects stand for all packages that use Effect.
await step("Effect diagnostics", async () => {
  const codes = []
  for (const name of ["order-service", "payment-service"]) {
    const project = `packages/${name}/tsconfig.json`
    const flags = ["diagnostics", "--strict", "--format", "text", "--severity", "error,warning", "--project", project]
    codes.push(await runTool("@effect/language-service", "cli.js", flags))
  }
  return Math.max(...codes)
})
await step("lint and format", () => runTool("@biomejs/biome", "bin/biome", ["check", "--error-on-warnings"]))
await step("architecture", () =>
  runTool("dependency-cruiser", "bin/dependency-cruise.mjs", ["packages", "--config", ".dependency-cruiser.cjs"]),
)

if (built) {
  const folder = mkdtempSync(join(tmpdir(), "tandem-results-"))
  const report = join(folder, "results.json")
  const finished = await step(
    "tests",
    () =>
      new Promise((resolve) => {
        const child = spawn(
          process.execPath,
          [
            join(repository, "node_modules", "vitest", "vitest.mjs"),
            "run",
            "--reporter=default",
            "--reporter=json",
            `--outputFile.json=${report}`,
            ...process.argv.slice(2),
          ],
          { cwd: repository, stdio: ["ignore", "inherit", "inherit"] },
        )
        child.on("close", (code) => resolve(code ?? 1))
      }),
  )
  try {
    const results = JSON.parse(readFileSync(report, "utf8"))
    passed += results.numPassedTests
    failed += results.numFailedTests
    skipped += results.numPendingTests + results.numTodoTests
  } catch {
    if (finished) failed++
  }
  rmSync(folder, { recursive: true, force: true })
} else {
  console.log("\nThe tests were not run, for the build failed.")
}

console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exit(failed === 0 ? 0 : 1)
