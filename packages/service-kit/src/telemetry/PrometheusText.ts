import { type MetricPair, MetricState, Option } from "effect"

/** The media type of the text (Prometheus exposition format 0.0.4). */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"

type Pair = MetricPair.MetricPair.Untyped

interface Sample {
  readonly suffix?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number | bigint
}

interface Family {
  readonly type: "counter" | "gauge" | "histogram" | "summary"
  readonly samples: ReadonlyArray<Sample>
}

const ofState = (state: MetricState.MetricState.Untyped): Family | undefined => {
  if (MetricState.isCounterState(state)) return { type: "counter", samples: [{ value: state.count }] }
  if (MetricState.isGaugeState(state)) return { type: "gauge", samples: [{ value: state.value }] }
  if (MetricState.isFrequencyState(state)) {
    const samples = [...state.occurrences].map(([key, value]) => ({ labels: { key }, value }))
    return { type: "counter", samples }
  }
  if (MetricState.isHistogramState(state)) {
    const buckets = state.buckets.filter(([boundary]) => Number.isFinite(boundary))
    return {
      type: "histogram",
      samples: [
        ...buckets.map(([boundary, value]) => ({ suffix: "_bucket", labels: { le: String(boundary) }, value })),
        { suffix: "_bucket", labels: { le: "+Inf" }, value: state.count },
        { suffix: "_sum", value: state.sum },
        { suffix: "_count", value: state.count },
      ],
    }
  }
  if (!MetricState.isSummaryState(state)) return undefined
  const quantiles = state.quantiles.flatMap(([quantile, value]) =>
    Option.isSome(value) ? [{ labels: { quantile: String(quantile) }, value: value.value }] : [],
  )
  return {
    type: "summary",
    samples: [...quantiles, { suffix: "_sum", value: state.sum }, { suffix: "_count", value: state.count }],
  }
}

const nameOf = (pair: Pair) => pair.metricKey.name.replaceAll(/[^a-zA-Z0-9_:]/g, "_")

const escapeHelp = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"')

const labelled = (labels: ReadonlyArray<readonly [string, string]>): string =>
  labels.length === 0
    ? ""
    : `{${labels.map(([name, value]) => `${name.replaceAll(/[^a-zA-Z0-9_]/g, "_")}="${escapeLabel(value)}"`).join(",")}}`

const lines = (pair: Pair, { samples }: Family): ReadonlyArray<string> => {
  const own = pair.metricKey.tags.map(({ key, value }) => [key, value] as const)
  return samples.map(
    ({ suffix = "", labels = {}, value }) =>
      `${nameOf(pair)}${suffix}${labelled([...own, ...Object.entries(labels)])} ${value}`,
  )
}

/** Effect's metrics as Prometheus reads them: each family once, with its help and type, its samples together. */
export const render = (pairs: ReadonlyArray<Pair>): string => {
  const byName = new Map<string, Array<Pair>>()
  for (const pair of pairs) {
    const known = byName.get(nameOf(pair))
    if (known === undefined) byName.set(nameOf(pair), [pair])
    else known.push(pair)
  }
  const text: Array<string> = []
  for (const [name, members] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const type = members.map((pair) => ofState(pair.metricState)).find((family) => family !== undefined)?.type
    if (type === undefined) continue
    const help = members.map((pair) => pair.metricKey.description).find(Option.isSome)
    if (help !== undefined) text.push(`# HELP ${name} ${escapeHelp(help.value)}`)
    text.push(`# TYPE ${name} ${type}`)
    for (const pair of members) {
      const family = ofState(pair.metricState)
      if (family?.type === type) text.push(...lines(pair, family))
    }
  }
  return `${text.join("\n")}\n`
}
