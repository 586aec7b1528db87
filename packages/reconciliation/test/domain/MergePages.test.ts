import { FastCheck as fc } from "effect"
import { expect, it } from "vitest"
import { mergePages, type Page } from "../../src/domain/MergePages.js"

interface Row {
  readonly orderId: string
}

const ids = fc.uniqueArray(fc.uuid(), { maxLength: 30 }).map((all) => all.sort())

it("pairs every id once, in order, with whatever either side has, however large the pages", () => {
  fc.assert(
    fc.property(ids, ids, ids, fc.integer({ min: 1, max: 7 }), (both, left, right, size) => {
      const sides = [[...both, ...left].sort(), [...both, ...right].sort()] as const
      const page = (side: ReadonlyArray<string>, after: string): Page<Row> => {
        const rest = side.filter((id) => id > after)
        return { rows: rest.slice(0, size).map((orderId) => ({ orderId })), complete: rest.length < size }
      }
      const seen: Array<readonly [string | undefined, string | undefined]> = []
      let after: string | undefined = ""
      for (let steps = 0; after !== undefined; steps++) {
        expect(steps).toBeLessThan(200)
        const {
          pairs,
          through,
        }: { pairs: ReadonlyArray<readonly [Row | undefined, Row | undefined]>; through: string | undefined } =
          mergePages(page(sides[0], after), page(sides[1], after))
        seen.push(...pairs.map(([a, b]) => [a?.orderId, b?.orderId] as const))
        after = through
      }
      const all = [...new Set([...sides[0], ...sides[1]])].sort()
      const there = (side: ReadonlyArray<string>, id: string) => (side.includes(id) ? id : undefined)
      expect(seen).toEqual(all.map((id) => [there(sides[0], id), there(sides[1], id)]))
    }),
  )
})
