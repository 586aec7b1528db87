import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus, release, totalmem, type } from "node:os"
import { join } from "node:path"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { markdown, number, spread } from "../Figures.js"
import type { Series } from "../growth/Series.js"
import type { BenchReport, Conditions, Part } from "./BenchReport.js"
import { plot } from "./plot.js"

/** What the figures were measured on. */
export const machine = (): Conditions["machine"] => {
  const processors = cpus()
  return {
    processor: `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `${type()} ${release()}`,
  }
}

/** The versions that count, as the catalog pins them. */
export const versions = (): Conditions["versions"] => {
  const catalog = readFileSync(join(repository, "pnpm-workspace.yaml"), "utf8")
  const names = [
    "effect",
    "@effect/platform",
    "@effect/sql",
    "@effect/sql-pg",
    "kafkajs",
    "@platformatic/kafka",
    "pg",
    "ws",
  ]
  const pinned = names.flatMap((name) => {
    const version = new RegExp(`^  "?${name.replace("/", "\\/")}"?: "?([0-9][^"\\s]*)`, "m").exec(catalog)?.[1]
    return version === undefined ? [] : [[name, version] as const]
  })
  return { Node: process.version, ...Object.fromEntries(pinned) }
}

/** Puts parts into the report of a folder, each in the place of the one with its title; `titles` is the order of all. */
export const updateReport = (parts: ReadonlyArray<Part>, titles: ReadonlyArray<string>, folder: string): void => {
  const path = join(folder, "report.json")
  const before: BenchReport = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { parts: [] }
  const all = [...parts, ...before.parts]
  writeReport({ parts: titles.flatMap((title) => all.find((part) => part.title === title) ?? []) }, folder)
}

/** Writes `report.md`, `report.json` and `report.svg` into a folder. */
export const writeReport = (report: BenchReport, folder: string): void => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "report.json"), `${JSON.stringify(report, null, 1)}\n`)
  writeFileSync(join(folder, "report.svg"), plot(report))
  writeFileSync(join(folder, "report.md"), text(report))
}

const list = (entries: Readonly<Record<string, string>>): string =>
  Object.entries(entries)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ")

const text = ({ parts }: BenchReport): string =>
  [
    "# Benchmarks",
    "",
    "Written by `npm run bench -- report`; the same figures are in [report.json](report.json). Ratios count: machines differ, and so does one",
    "machine from hour to hour; servers, services and load generators share it. ↑ stands at a ratio of which more is good, ↓ at one of which less",
    "is; a target is met or missed by the median. What was tried and what limits the rest stands in [performance](../performance.md).",
    "",
    ...[...new Set(parts.map(({ conditions }) => list(conditions.versions)))].map(
      (versions) => `- versions: ${versions}`,
    ),
    "",
    "![each figure beside its yardstick](report.svg)",
    "",
    ...parts.flatMap(partText),
  ].join("\n")

const partText = ({ title, conditions: { machine, how, from, to }, figures, growth = [] }: Part) => [
  `## ${title}`,
  "",
  `${list(machine)}; ${how}; from ${from} to ${to}.`,
  "",
  ...(figures.length === 0 ? [] : [markdown(figures), ""]),
  ...growth.flatMap(seriesText),
]

const seriesText = ({ name, unit, by, points }: Series) => [
  `| ${by} | ${points.map(({ at }) => at.toLocaleString("en-US")).join(" | ")} |`,
  `|---|${points.map(() => "---").join("|")}|`,
  `| ${name}, ${unit} | ${points.map(({ values }) => number(spread(values).median)).join(" | ")} |`,
  `| least–most of ${points[0]?.values.length} runs | ${points.map(({ values }) => `${number(spread(values).least)}–${number(spread(values).most)}`).join(" | ")} |`,
  "",
]
