import type { Figure } from "../Figures.js"
import type { Series } from "../growth/Series.js"

/** How and when figures were measured. */
export interface Conditions {
  readonly machine: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
  readonly how: string
  /** RFC 3339, UTC. */
  readonly from: string
  readonly to: string
}

/** What belongs together and was measured in one run. */
export interface Part {
  readonly title: string
  readonly conditions: Conditions
  readonly figures: ReadonlyArray<Figure>
  readonly growth?: ReadonlyArray<Series>
}

/** A report of everything, as it is written. Its parts may come from different hours, and say so. */
export interface BenchReport {
  readonly parts: ReadonlyArray<Part>
}
