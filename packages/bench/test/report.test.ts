import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { writeReport } from "@tandem/bench/report/report"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { expect, it } from "vitest"

it("the committed report is what its figures give, untouched by hand", () => {
  const committed = join(repository, "docs", "bench")
  const folder = mkdtempSync(join(tmpdir(), "tandem-report-"))
  try {
    writeReport(JSON.parse(readFileSync(join(committed, "report.json"), "utf8")), folder)
    for (const name of ["report.json", "report.md", "report.svg"]) {
      expect(readFileSync(join(folder, name), "utf8"), name).toBe(readFileSync(join(committed, name), "utf8"))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
