import { parseArgs } from "node:util"
import { plants } from "./Plants.js"
import { makeScratch } from "./Scratch.js"

const usage = `npm run planted -- [--only TEXT]
Plants one fault after the other into a copy of the product, each where a promise rests on it, and runs what must notice it: the
simulation, or the kit's chaos test. Prints a table; one that goes unnoticed fails.
  --only   those whose name has this text in it`

const { values } = parseArgs({
  options: { only: { type: "string", default: "" }, help: { type: "boolean", default: false } },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const chosen = plants.filter(({ name }) => name.includes(values.only))
if (chosen.length === 0) {
  console.error(`No fault has "${values.only}" in its name.`)
  process.exit(2)
}

/** What a detector said first that was wrong. */
const finding = (said: string): string => {
  const line = said
    .split("\n")
    .find((one) =>
      /^(orders|payments|users|accounts|balances|notifications|messages|dead|poison|changes|accepted|everybody)|effects .*\| [1-9]|\(FiberFailure\)|does not hold/.test(
        one,
      ),
    )
  const seed = /^Seed (\d+)/m.exec(said)?.[1]
  return `${seed === undefined ? "" : `schedule ${seed}: `}${(line ?? said.trim().split("\n").at(-1) ?? "").slice(0, 90).replaceAll("|", "").trim()}`
}

const scratch = makeScratch()
let missed = 0
console.log("| planted | noticed by | after | with |\n|---|---|---|---|")
try {
  for (const plant of chosen) {
    const { found, seconds, said } = await scratch.detect(plant)
    if (!found) missed++
    console.log(
      `| ${plant.name} | ${found ? plant.detector : `**not noticed** by ${plant.detector}`} | ${Math.round(seconds)} s | ${found ? finding(said) : ""} |`,
    )
  }
} finally {
  scratch.remove()
}
console.log(`\n${chosen.length} planted, ${chosen.length - missed} noticed`)
process.exit(missed === 0 ? 0 : 1)
