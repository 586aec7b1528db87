import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { describe, expect, it } from "vitest"

const read = (name: string) => readFileSync(join(repository, ".github/workflows", name), "utf8")
const text = read("ci.yml")

/** What GitHub's own reader finds wrong. */
const faults = async (content: string): Promise<ReadonlyArray<string>> => {
  const { context, value } = parseWorkflow({ name: "ci.yml", content }, new NoOperationTraceWriter())
  if (value === undefined) return context.errors.getErrors().map(({ message }) => message)
  const template = await convertWorkflowTemplate(context, value)
  return (template.errors ?? []).map(({ Message }) => Message)
}

describe("the workflows", () => {
  for (const name of ["ci.yml", "containers.yml"]) {
    it(`${name} is one for GitHub's own reader`, async () => {
      expect(await faults(read(name))).toEqual([])
      expect(await faults(read(name).replace("timeout-minutes", "timeout-minute"))).not.toEqual([])
    })

    it(`${name} names every action by its commit, may read and nothing else, ends in time and names what exists`, () => {
      const workflow = read(name)
      const actions = [...workflow.matchAll(/uses: (\S+)/g)].map(([, action]) => action)
      expect(actions.length).toBeGreaterThan(0)
      for (const action of actions) expect(action).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40}$/)
      expect(workflow).toMatch(/^permissions:\n {2}contents: read\n\n/m)
      expect(workflow.match(/permissions:|secrets\./g)).toEqual(["permissions:"])
      expect(workflow).toMatch(/timeout-minutes: \d+/)
      for (const [, file = ""] of workflow.matchAll(
        /(?:'|: |\.\/|^ {6}- )((?:packages\/|\.ci\/|\.github\/)[\w./-]+|[\w.-]+\.ya?ml)/gm,
      )) {
        expect([file, existsSync(join(repository, file))]).toEqual([file, true])
      }
    })
  }

  it("hold expressions to what GitHub knows", async () => {
    expect(await faults(text.replaceAll("matrix.node }}", "matrix. }}"))).not.toEqual([])
  })

  it("test the oldest Node that counts", () => {
    const { engines } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
      engines: { node: string }
    }
    expect(text).toContain(`node: [${engines.node.replace(">=", "")}, `)
  })
})
