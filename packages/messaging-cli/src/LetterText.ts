import type { Action, KeptLetter } from "@tandem/messaging/DeadLetters"

const decoder = new TextDecoder("utf-8", { fatal: true })

/** Bytes as text where they are text, else in hex; `null` for none. */
const legible = (bytes: Uint8Array | null): string | null => {
  if (bytes === null) return null
  try {
    return decoder.decode(bytes)
  } catch {
    return `hex ${Buffer.from(bytes).toString("hex")}`
  }
}

const indented = (text: string | null): string => {
  if (text === null) return "null"
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

const firstLine = (text: string) => text.split("\n")[0]?.slice(0, 100) ?? ""

/** A letter for a machine. */
export const toJson = ({ key, value, ...letter }: KeptLetter, actions?: ReadonlyArray<Action>) => ({
  ...letter,
  key: legible(key),
  value: legible(value),
  ...(actions === undefined ? {} : { actions }),
})

/** A letter in a line. */
export const toLine = (letter: KeptLetter): string =>
  [
    letter.id,
    letter.status,
    letter.deadAt.toISOString(),
    letter.consumer,
    `${letter.topic}/${letter.partition}@${letter.offset}`,
    firstLine(letter.error),
  ].join("  ")

/** Everything about a letter. */
export const toPage = (letter: KeptLetter, actions: ReadonlyArray<Action>): string =>
  [
    `letter    ${letter.id}, ${letter.status}`,
    `consumer  ${letter.consumer}`,
    `origin    ${letter.topic}, partition ${letter.partition}, offset ${letter.offset}`,
    `died      ${letter.deadAt.toISOString()}, ${letter.attempts} attempt(s)`,
    `key       ${legible(letter.key) ?? "null"}`,
    `headers   ${JSON.stringify(letter.headers)}`,
    "error",
    letter.error,
    "value",
    indented(legible(letter.value)),
    ...(actions.length === 0 ? [] : ["actions"]),
    ...actions.map(
      ({ action, actor, reason, at }) =>
        `${at.toISOString()}  ${action} by ${actor}${reason === null ? "" : `: ${firstLine(reason)}`}`,
    ),
  ].join("\n")
