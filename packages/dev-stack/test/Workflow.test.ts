import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { describe, expect, it } from "vitest"

const text = readFileSync(join(repository, ".github/workflows/ci.yml"), "utf8")

/** What GitHub's own reader finds wrong. */
const faults = async (content: string): Promise<ReadonlyArray<string>> => {
  const { context, value } = parseWorkflow({ name: "ci.yml", content }, new NoOperationTraceWriter())
  if (value === undefined) return context.errors.getErrors().map(({ message }) => message)
  const template = await convertWorkflowTemplate(context, value)
  return (template.errors ?? []).map(({ Message }) => Message)
}

describe("the CI workflow", () => {
  it("is one for GitHub's own reader", async () => {
    expect(await faults(text)).toEqual([])
    expect(await faults(text.replace("timeout-minutes", "timeout-minute"))).not.toEqual([])
    expect(await faults(text.replaceAll("matrix.node }}", "matrix. }}"))).not.toEqual([])
  })

  it("names every action by its commit, may read and nothing else, ends in time and runs what exists", () => {
    const actions = [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action)
    expect(actions.length).toBeGreaterThan(4)
    for (const action of actions) expect(action).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40}$/)
    expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m)
    expect(text.match(/permissions:|secrets\./g)).toEqual(["permissions:"])
    expect(text).toMatch(/timeout-minutes: \d+/)
    for (const [, file = ""] of text.matchAll(/(?:hashFiles\(|dependency-path: |run: \.\/)([^)\s]+)/g)) {
      for (const path of file.replaceAll(/['"]/g, "").split(",")) expect(existsSync(join(repository, path))).toBe(true)
    }
  })

  it("tests the oldest Node that counts", () => {
    const { engines } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
      engines: { node: string }
    }
    expect(text).toContain(`node: [${engines.node.replace(">=", "")}, `)
  })
})
