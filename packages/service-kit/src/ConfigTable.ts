import { type Config, Duration } from "effect"

/** A variable that a Config reads. */
export interface Variable {
  readonly name: string
  /** What `Config.withDescription` said of it; empty when nothing did. */
  readonly description: string
  /** The value when it is not set, as text; `none` for a variable that may be left out; undefined for one that must be set. */
  readonly standard: string | undefined
}

/**
 * The variables that a Config reads, in its order, for the table that people are shown. A Config is a description of a reading, which
 * this walks over without reading anything.
 */
export const variables = (config: Config.Config<unknown>): ReadonlyArray<Variable> => walk(config, "", undefined)

/** The parts of a Config's description; `effect` keeps their types to itself. */
interface Node {
  readonly _tag: string
  readonly name?: string
  readonly description?: string
  readonly value?: unknown
  readonly config?: unknown
  readonly original?: unknown
  readonly first?: unknown
  readonly second?: unknown
  readonly left?: unknown
  readonly right?: unknown
}

const walk = (config: unknown, description: string, standard: string | undefined): ReadonlyArray<Variable> => {
  if (!isNode(config)) return []
  switch (config._tag) {
    case "Nested":
      return [{ name: config.name ?? "", description, standard }]
    case "Described":
      return walk(config.config, config.description ?? "", standard)
    case "Fallback":
      return walk(config.first, description, standardOf(config.second))
    case "MapOrFail":
    case "Redacted":
      return walk(config.original, description, standard)
    case "Sequence":
      return walk(config.config, description, standard)
    case "ZipWith":
      return [...walk(config.left, description, standard), ...walk(config.right, description, standard)]
    case "Lazy":
      return walk(resolved(config), description, standard)
    default:
      return []
  }
}

const standardOf = (config: unknown): string | undefined => {
  const node = isNode(config) && config._tag === "Lazy" ? resolved(config) : config
  if (!isNode(node) || node._tag !== "Constant") return undefined
  const { value } = node
  if (Array.isArray(value)) return value.join(",")
  if (Duration.isDuration(value)) return inWords(Duration.toMillis(value))
  if (typeof value !== "object" || value === null || value instanceof URL) return String(value)
  return "_tag" in value && value._tag === "None"
    ? "none"
    : "label" in value
      ? String(value.label)
      : JSON.stringify(value)
}

const units = { day: 86_400_000, hour: 3_600_000, minute: 60_000, second: 1_000, millisecond: 1 }

/** As a Config reads it back: in the largest unit that it is a whole number of. */
const inWords = (milliseconds: number): string => {
  const [unit, size] = Object.entries(units).find(([, length]) => milliseconds % length === 0) ?? ["millisecond", 1]
  const count = milliseconds / size
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}

const resolved = (lazy: Node): unknown => (typeof lazy.config === "function" ? lazy.config() : undefined)

const isNode = (value: unknown): value is Node =>
  (typeof value === "object" || typeof value === "function") && value !== null && "_tag" in value
