import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus, release, totalmem, type } from "node:os"
import { join } from "node:path"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { markdown, number, spread } from "../Figures.js"
import type { BenchReport } from "./BenchReport.js"
import { plot } from "./plot.js"

/** What the figures were measured on. */
export const machine = (): BenchReport["machine"] => {
  const processors = cpus()
  return {
    processor: `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `${type()} ${release()}`,
  }
}

/** The versions that count, as the catalog pins them. */
export const versions = (): BenchReport["versions"] => {
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

const text = ({ machine: on, versions: of, conditions, parts, growth }: BenchReport): string =>
  [
    "# Benchmarks",
    "",
    "Written by `npm run bench -- report`; the same figures are in [report.json](report.json). Ratios count: machines differ, and so does one",
    "machine from hour to hour. ↑ stands at a ratio of which more is good, ↓ at one of which less is; a target is met or missed by the median.",
    "What was tried and what limits the rest stands in [performance](../performance.md).",
    "",
    `- machine: ${list(on)}; servers, services and load generators share it`,
    `- versions: ${list(of)}`,
    ...conditions.map((condition) => `- ${condition}`),
    "",
    "![each figure beside its yardstick](report.svg)",
    "",
    ...parts.flatMap(({ title, figures }) => [`## ${title}`, "", markdown(figures), ""]),
    ...(growth.length === 0 ? [] : ["## How cost grows", ""]),
    ...growth.flatMap(({ name, unit, by, points }) => [
      `| ${by} | ${points.map(({ at }) => at.toLocaleString("en-US")).join(" | ")} |`,
      `|---|${points.map(() => "---").join("|")}|`,
      `| ${name}, ${unit} | ${points.map(({ values }) => number(spread(values).median)).join(" | ")} |`,
      `| least–most of ${points[0]?.values.length} runs | ${points.map(({ values }) => `${number(spread(values).least)}–${number(spread(values).most)}`).join(" | ")} |`,
      "",
    ]),
  ].join("\n")
