import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import type { Detector, Plant } from "./Plants.js"

const repository = fileURLToPath(new URL("../../../../", import.meta.url))

/**
 * What a detector runs, below `packages/`, and what it says when it has noticed something. A program that fails in another way, or does not
 * even start, has noticed nothing.
 */
const programs: Readonly<Record<Detector, { readonly run: ReadonlyArray<string>; readonly verdict: RegExp }>> = {
  simulation: { run: ["simulation/dist/main.js", "--schedules", "600", "--brief"], verdict: /^Seed \d+ violates/m },
  chaos: {
    run: ["system-tests/dist/chaos/main.js", "--broker", "postgres", "--messages", "12000", "--faults", "30"],
    verdict: /^\| (?:effects .*|rows left .*|dead letters) \| [1-9]\d* \|$/m,
  },
}

/** No detector takes longer, in ms: a fault that it has not found by then counts as missed. */
const patience = 300_000

/** A copy of what was built, in which faults can be planted. */
export interface Scratch {
  /** Plants a fault, runs its detector, and takes the fault out again. */
  readonly detect: (
    plant: Plant,
  ) => Promise<{ readonly found: boolean; readonly seconds: number; readonly said: string }>
  readonly remove: () => void
}

/** Copies the packages as they were built; what they depend on is shared. */
export const makeScratch = (): Scratch => {
  const copy = mkdtempSync(join(tmpdir(), "tandem-planted-"))
  const packages = join(copy, "packages")
  for (const name of ["package.json", "pnpm-workspace.yaml"]) cpSync(join(repository, name), join(copy, name))
  symlinkSync(join(repository, "node_modules"), join(copy, "node_modules"))
  for (const name of readdirSync(join(repository, "packages"))) {
    mkdirSync(join(packages, name), { recursive: true })
    for (const part of readdirSync(join(repository, "packages", name))) {
      if (part === "test") continue
      // The links among the packages lead to one another in the copy, for they are relative.
      cpSync(join(repository, "packages", name, part), join(packages, name, part), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => basename(path) !== ".bin",
      })
    }
  }
  return {
    detect: async (plant) => {
      const source = readFileSync(join(packages, plant.file), "utf8")
      const places = source.split(plant.find).length - 1
      if (places !== 1) throw new Error(`${plant.file} has ${places} places for "${plant.name}"; it must have one.`)
      const built = join(packages, plant.file.replace("/src/", "/dist/").replace(/\.ts$/, ".js"))
      const whole = readFileSync(built)
      writeFileSync(built, compiled(source.replace(plant.find, () => plant.put)))
      try {
        const { run: program, verdict } = programs[plant.detector]
        const { code, ...outcome } = await run(packages, program)
        return { ...outcome, found: code === 1 && verdict.test(outcome.said) }
      } finally {
        writeFileSync(built, whole)
      }
    },
    remove: () => rmSync(copy, { recursive: true, force: true }),
  }
}

/** One module by itself: a fault need not satisfy the types. */
const compiled = (source: string): string =>
  ts.transpileModule(source, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
    },
  }).outputText

const run = (packages: string, [program = "", ...parameters]: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | null; readonly seconds: number; readonly said: string }>((resolve) => {
    const start = performance.now()
    const child = spawn(process.execPath, [join(packages, program), ...parameters, "--seed", "1"], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: patience,
    })
    let said = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => {
        said += bytes
      })
    }
    child.on("close", (code) => {
      resolve({ code, seconds: (performance.now() - start) / 1_000, said })
    })
  })
