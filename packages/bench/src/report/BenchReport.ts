import type { Figure } from "../Figures.js"
import type { Series } from "../growth/Series.js"

/** A report of everything, as it is written. */
export interface BenchReport {
  readonly machine: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
  /** How it was measured. */
  readonly conditions: ReadonlyArray<string>
  readonly parts: ReadonlyArray<{ readonly title: string; readonly figures: ReadonlyArray<Figure> }>
  readonly growth: ReadonlyArray<Series>
}
