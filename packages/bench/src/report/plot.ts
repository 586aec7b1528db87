import { type Figure, number, spread } from "../Figures.js"
import type { BenchReport } from "./BenchReport.js"

const width = 900
const row = 22
const labels = 430
const bars = width - labels - 190

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

/** On a scale of powers of ten, for the ratios lie between a hundredth and a hundred. */
const place = (ratio: number): number => labels + (bars * (Math.log10(Math.min(100, Math.max(0.01, ratio))) + 2)) / 4

interface Bar {
  readonly name: string
  readonly ratio: number
  readonly least: number
  readonly most: number
  readonly text: string
}

const bar = ({ name, unit, values, yardstick }: Figure): ReadonlyArray<Bar> => {
  if (yardstick === undefined) return []
  const { median, least, most } = spread(values)
  const beside = spread(yardstick.values).median
  const ratio = median / beside
  return [
    {
      name: `${name} / ${yardstick.name}`,
      ratio,
      least: least / beside,
      most: most / beside,
      text: `${ratio.toFixed(2)} (${number(median)} ${unit})`,
    },
  ]
}

/** Every figure that has a yardstick, as its ratio to it, with the spread of the runs, as an SVG that needs nothing else. */
export const plot = ({ parts }: BenchReport): string => {
  const lines: Array<string> = []
  let y = 40
  const write = (x: number, content: string, more = "") =>
    lines.push(`<text x="${x}" y="${y + 14}" ${more}>${escaped(content)}</text>`)
  for (const { title, figures } of parts) {
    const some = figures.flatMap(bar)
    if (some.length === 0) continue
    write(8, title, 'font-weight="bold"')
    y += row
    for (const { name, ratio, least, most, text } of some) {
      const [from, to] = [Math.min(place(1), place(ratio)), Math.max(place(1), place(ratio))]
      write(labels - 8, name.length > 70 ? `${name.slice(0, 69)}…` : name, 'text-anchor="end"')
      lines.push(
        `<rect x="${from.toFixed(1)}" y="${y + 4}" width="${Math.max(1, to - from).toFixed(1)}" height="12" fill="#4a7ebb"/>`,
        `<path d="M${place(least).toFixed(1)} ${y + 10}H${place(most).toFixed(1)}" stroke="#d9822b" stroke-width="3"/>`,
      )
      write(labels + bars + 8, text)
      y += row
    }
    y += row / 2
  }
  const axis = [0.01, 0.1, 1, 10, 100].map(
    (ratio) =>
      `<path d="M${place(ratio).toFixed(1)} 28V${y}" stroke="${ratio === 1 ? "#333" : "#ccc"}"/>` +
      `<text x="${place(ratio).toFixed(1)}" y="22" text-anchor="middle">${ratio}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y + 10}" viewBox="0 0 ${width} ${y + 10}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="8" y="22">figure ÷ yardstick of the same run; orange: least to most</text>`,
    ...axis,
    ...lines,
    "</svg>",
    "",
  ].join("\n")
}
