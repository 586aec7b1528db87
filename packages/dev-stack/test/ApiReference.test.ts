import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { afterAll, expect, it } from "vitest"

const scratch = mkdtempSync(join(tmpdir(), "tandem-api-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const pages = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".md"))
      .sort()
      .map((file) => [file, readFileSync(join(folder, file), "utf8")]),
  )

it("the kit's API reference is what its docstrings say: `npm run api` writes it", { timeout: 120_000 }, () => {
  const typedoc = join(repository, "node_modules", "typedoc", "bin", "typedoc")
  execFileSync(process.execPath, [typedoc, "--options", ".typedoc.json", "--logLevel", "Error", "--out", scratch], {
    cwd: repository,
    stdio: "pipe",
  })
  expect(pages(join(repository, "docs", "messaging", "api"))).toEqual(pages(scratch))
})
