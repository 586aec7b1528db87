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

/** A line of a report: what was measured, what it stands beside in the same run, and the target, where there is one. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly values: ReadonlyArray<number>
  readonly yardstick?: { readonly name: string; readonly values: ReadonlyArray<number> }
  readonly target?: string
}

/** As a person reads it: three digits or more. */
export const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(value >= 10 ? 1 : 2)

const withSpread = (values: ReadonlyArray<number>): string => {
  const { median, least, most } = spread(values)
  return values.length === 1 ? number(median) : `${number(median)} (${number(least)}–${number(most)})`
}

/** The figures as a Markdown table: medians with their spread, and the ratio of the medians. */
export const markdown = (figures: ReadonlyArray<Figure>): string =>
  [
    "| what | median (least–most) | unit | beside it in the same run | ratio | target |",
    "|---|---|---|---|---|---|",
    ...figures.map(({ name, unit, values, yardstick, target = "" }) => {
      const ratio = yardstick === undefined ? "" : (spread(values).median / spread(yardstick.values).median).toFixed(2)
      const beside = yardstick === undefined ? "" : `${yardstick.name}: ${withSpread(yardstick.values)}`
      return `| ${name} | ${withSpread(values)} | ${unit} | ${beside} | ${ratio} | ${target} |`
    }),
  ].join("\n")
