import { readFileSync } from "node:fs"

// Loaded into a service before its own program (`node --import`): its wall clock can be set from outside, while its timers run on.
const file = process.env["SHIFTED_CLOCK"] ?? ""
const RealDate = Date
let shift = 0

const now = (): number => RealDate.now() + shift

class ShiftedDate extends RealDate {
  constructor(...parameters: ReadonlyArray<number>) {
    // `new Date()` alone asks for the time.
    if (parameters.length === 0) super(now())
    else super(...(parameters as [number]))
  }
  static override now(): number {
    return now()
  }
}

globalThis.Date = ShiftedDate as DateConstructor

process.on("SIGUSR2", () => {
  shift = Number(readFileSync(file, "utf8"))
})
