import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { describe, expect, it } from "vitest"

const read = (path: string) => readFileSync(join(repository, path), "utf8")
const pages = ["README.md", "CHANGELOG.md"].concat(
  ["docs", "docs/adr", "docs/messaging"].flatMap((folder) =>
    readdirSync(join(repository, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `${folder}/${name}`),
  ),
)
const packages = readdirSync(join(repository, "packages"))
const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> }

/** As GitHub makes them. */
const anchors = (text: string) =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  )

describe("every page", () => {
  for (const page of pages) {
    const text = read(page)

    it(`${page} links to what is there`, () => {
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [path = "", anchor] = target.split("#")
        const file = path === "" ? page : join(dirname(page), path)
        expect([target, existsSync(join(repository, file))]).toEqual([target, true])
        if (anchor !== undefined) expect(anchors(read(file)), target).toContain(anchor)
      }
    })

    it(`${page} names files, tests and commands that exist`, () => {
      for (const [, path = "", name = "", , test] of text.matchAll(
        /`((?:packages\/)?([a-z-]+)\/(?:src|test|bin|dist)\/[\w./-]+)`(?: "(([^"…]+?)(?: …)?)")?/g,
      )) {
        if (!packages.includes(name)) continue
        const file = path.startsWith("packages/") ? path : `packages/${path}`
        expect([path, existsSync(join(repository, file))]).toEqual([path, true])
        if (test !== undefined) expect(read(file), `${path} has no test "${test}"`).toContain(test)
      }
      for (const [, script = ""] of text.matchAll(/npm run (?:--silent )?([\w:]+)/g)) {
        expect(Object.keys(scripts), page).toContain(script)
      }
    })
  }
})

it("CONTRIBUTING names every command", () => {
  const text = read("docs/CONTRIBUTING.md")
  for (const script of Object.keys(scripts)) {
    expect(text).toMatch(new RegExp(`\`npm (run )?${script}\``))
  }
})

it("a release has one version: the packages', the documents', the tools' and the changelog's", () => {
  const [, released] = /^## \[(\d\S+)\] - \d{4}-\d{2}-\d{2}$/m.exec(read("CHANGELOG.md")) ?? []
  const versions = [
    "package.json",
    ...packages.map((name) => `packages/${name}/package.json`),
    "packages/contracts/src/http/OrderApi.ts",
    "packages/contracts/src/http/PaymentApi.ts",
    "packages/contracts/src/asyncapi/AsyncApiDocument.ts",
    "packages/messaging-cli/src/main.ts",
    "packages/reconciliation/src/cli/main.ts",
  ].map((file) => [file, /\bversion"?: "([^"]+)"/.exec(read(file))?.[1]])
  expect(versions).toEqual(versions.map(([file]) => [file, released]))
})
