import { readFileSync } from "node:fs"
import { expect, it } from "vitest"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

it("is what the kit's README shows", () => {
  expect(read("../../messaging/README.md")).toContain(read("../src/messages.ts").trim())
})
