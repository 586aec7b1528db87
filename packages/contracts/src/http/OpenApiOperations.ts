import { headers } from "./OpenApiHeaders.js"
import type { Operation, Response } from "./OpenApiModel.js"

/** One thing that is true of an operation; it writes it down. */
export type Trait = (operation: Operation) => void

/** The `transform` of an endpoint with these traits. */
export const having =
  (...traits: ReadonlyArray<Trait>) =>
  (operation: Operation): Operation => {
    for (const trait of traits) trait(operation)
    return operation
  }

/** What each success means. */
export const meaning =
  (descriptions: Readonly<Record<string, string>>): Trait =>
  ({ responses = {} }) => {
    for (const [status, description] of Object.entries(descriptions)) {
      const response = responses[status]
      if (response !== undefined && "description" in response) response.description = description
    }
  }

/** The creation tells where the thing is. */
export const located: Trait = (operation) => addHeaders(operation, ["201"], headers("Location"))

/** The operation takes an `Idempotency-Key`. */
export const keyed: Trait = (operation) => {
  operation.parameters = [
    ...(operation.parameters ?? []),
    {
      name: "Idempotency-Key",
      in: "header",
      required: false,
      description:
        "Any name of this very command, such as a UUID. The same again within 24 hours is answered as the first time, and done once.",
      schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]([ -~]*[!-~])?$" },
      example: "9f1c6a52-5f0e-4c8b-9a53-3a3c1c2b7d11",
    },
  ]
  addHeaders(operation, ["200", "201", "202"], headers("Idempotent-Replayed"))
}

/** The operation shows a version, and answers 304 to who has it. */
export const versioned: Trait = (operation) => {
  operation.parameters = [
    ...(operation.parameters ?? []),
    {
      name: "If-None-Match",
      in: "header",
      required: false,
      description: "The `ETag` of what the caller has, several of them, or `*`.",
      schema: { type: "string" },
      example: '"2"',
    },
  ]
  const shown = headers("ETag", "Cache-Control")
  addHeaders(operation, ["200"], shown)
  const unchanged: Response = { description: "The caller has this version already", headers: shown }
  operation.responses = { ...operation.responses, 304: unchanged }
}

const addHeaders = (
  { responses = {} }: Operation,
  statuses: ReadonlyArray<string>,
  added: Readonly<Record<string, object>>,
): void => {
  for (const status of statuses) {
    const response = responses[status]
    if (response !== undefined && "description" in response) response.headers = { ...response.headers, ...added }
  }
}
