import { readFileSync } from "node:fs"
import { specifications, specificationText } from "@tandem/contracts/Specifications"
import { describe, expect, it } from "vitest"
import { breakingChanges, breakingMessages } from "./BreakingChanges.js"

const committed = (name: string) => readFileSync(new URL(`../../../../docs/api/${name}`, import.meta.url), "utf8")

const documents = Object.entries(specifications())

describe("the committed documents", () => {
  it.each(documents)("are what is served: %s (`npm run specs` writes them)", (name, document) => {
    expect(committed(name) === specificationText(document), `docs/api/${name} is not current: npm run specs`).toBe(true)
  })

  it.each(documents)("break no client of the last release: %s", (name, document) => {
    const changes = name.endsWith(".openapi.json") ? breakingChanges : breakingMessages
    const released = JSON.parse(committed(`released/${name}`))
    expect(changes(released, JSON.parse(specificationText(document)))).toEqual([])
  })
})
