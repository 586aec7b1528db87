import { markdown } from "@tandem/bench/Figures"
import { expect, it } from "vitest"

const figure = { name: "drain", unit: "rows/s", values: [50, 40, 60], yardstick: { name: "bare", values: [100] } }

const last = (text: string) => text.split("\n").at(-1)

it("a target is met or missed by the median, in its own direction", () => {
  const target = { value: { least: 50 }, ratio: { least: 0.4, next: 0.6 } }
  expect(last(markdown([{ ...figure, target }]))).toContain(
    "| 0.50 ↑ | ≥ 50 rows/s met; ratio ≥ 0.40 met, then ≥ 0.60 missed |",
  )
  const slow = { ...figure, unit: "ms", target: { value: { most: 49 }, ratio: { most: 0.5 } } }
  expect(last(markdown([slow]))).toContain("| 0.50 ↓ | ≤ 49 ms missed; ratio ≤ 0.50 met |")
})

it("a ratio that is a target and has no yardstick is not passed over", () => {
  const { yardstick: _, ...alone } = figure
  expect(() => markdown([{ ...alone, target: { ratio: { least: 0.9 } } }])).toThrow("drain")
})
