import type { Fault } from "../api/Fault.js"
import type { Words } from "./Words.js"

/** A fault in a sentence for the user. */
export const faultText = (fault: Fault, words: Words): string => {
  if (fault.kind === "unreachable") return words.unreachable[fault.service]
  if (fault.kind === "unexpected") return words.unexpected
  // A newer service may know problems that this page does not.
  const known: string | undefined = words.problem[fault.problem]
  return [known ?? words.unexpected, ...fault.details].join(": ")
}

/** The same for a command, which may have been carried out although no answer came. */
export const commandFaultText = (fault: Fault, words: Words): string =>
  fault.kind === "unreachable"
    ? `${faultText(fault, words)} ${words.uncertain[fault.service]}`
    : faultText(fault, words)
