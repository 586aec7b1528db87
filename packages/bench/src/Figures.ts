/** What several runs of one measurement gave. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** The spread of at least one value. */
export const spread = (values: ReadonlyArray<number>): Spread => {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
    least: sorted[0] ?? Number.NaN,
    most: sorted.at(-1) ?? Number.NaN,
  }
}

/** The least, or the most, that is asked for, and what is asked for once that is had. */
export type Bound = ({ readonly least: number } | { readonly most: number }) & { readonly next?: number }

/** What a figure is held to: a value in its unit, a ratio to its yardstick, or both. */
export interface Target {
  readonly value?: Bound
  readonly ratio?: Bound
}

/** A line of a report: what was measured, what it stands beside in the same run, and the target, where there is one. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly values: ReadonlyArray<number>
  readonly yardstick?: { readonly name: string; readonly values: ReadonlyArray<number> }
  readonly target?: Target
}

/** As a person reads it: three digits or more. */
export const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(value >= 10 ? 1 : 2)

const withSpread = (values: ReadonlyArray<number>): string => {
  const { median, least, most } = spread(values)
  return values.length === 1 ? number(median) : `${number(median)} (${number(least)}–${number(most)})`
}

/** The ratio of the medians. */
const ratioOf = ({ values, yardstick }: Figure): number | undefined =>
  yardstick === undefined ? undefined : spread(values).median / spread(yardstick.values).median

/** `≥ 0.40 met, then ≥ 0.60 missed`; the median counts. */
const verdict = (bound: Bound, got: number, write: (value: number) => string): string => {
  const [sign, first] = "least" in bound ? ["≥", bound.least] : ["≤", bound.most]
  const one = (asked: number) => {
    const isMet = sign === "≥" ? got >= asked : got <= asked
    return `${sign} ${write(asked)} ${isMet ? "met" : "missed"}`
  }
  return bound.next === undefined ? one(first) : `${one(first)}, then ${one(bound.next)}`
}

const verdicts = (figure: Figure): string => {
  const { target, unit, values } = figure
  const ratio = ratioOf(figure)
  const parts: Array<string> = []
  if (target?.value !== undefined) {
    parts.push(verdict(target.value, spread(values).median, (value) => `${value.toLocaleString("en-US")} ${unit}`))
  }
  if (target?.ratio !== undefined) {
    if (ratio === undefined) throw new Error(`${figure.name} is held to a ratio and stands beside nothing`)
    parts.push(`ratio ${verdict(target.ratio, ratio, (value) => value.toFixed(2))}`)
  }
  return parts.join("; ")
}

/** Whether more of it is better: of what is counted by the second it is, of time and memory less is. */
const direction = (unit: string): string => (unit.endsWith("/s") ? "↑" : "↓")

/** The figures as a Markdown table: medians with their spread, the ratio of the medians with the way that is good, and what became of the target. */
export const markdown = (figures: ReadonlyArray<Figure>): string =>
  [
    "| what | median (least–most) | unit | beside it in the same run | ratio | target |",
    "|---|---|---|---|---|---|",
    ...figures.map((figure) => {
      const { name, unit, values, yardstick } = figure
      const of = ratioOf(figure)
      const ratio = of === undefined ? "" : `${of.toFixed(2)} ${direction(unit)}`
      const beside = yardstick === undefined ? "" : `${yardstick.name}: ${withSpread(yardstick.values)}`
      return `| ${name} | ${withSpread(values)} | ${unit} | ${beside} | ${ratio} | ${verdicts(figure)} |`
    }),
  ].join("\n")
