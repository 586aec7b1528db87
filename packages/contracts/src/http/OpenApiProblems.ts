import { type ProblemKind, problemBody, problemMediaType, problems } from "../Problem.js"
import { headers } from "./OpenApiHeaders.js"
import type { Document, MediaType, Operation, Reference, Response } from "./OpenApiModel.js"

/** What is said of a problem to whoever meets it. */
const details: Readonly<Record<ProblemKind, string>> = {
  "invalid-request": "The request is invalid; errors says where and why.",
  "malformed-json": "The body is not valid JSON.",
  unauthorized: "This needs a token, in a header that begins with Authorization: Bearer.",
  forbidden: "Pages of this origin may not do that.",
  "not-found": "Nothing is served at this path.",
  "order-not-found": "No order has this id.",
  "account-not-found": "This user has no account.",
  "payment-not-found": "Nothing was decided about this order's payment.",
  "method-not-allowed": "This path knows GET, HEAD, OPTIONS.",
  "order-already-settled": "The order is CANCELLED.",
  "request-in-flight": "The first request with this Idempotency-Key is still being answered.",
  "payload-too-large": "A body may have 65536 bytes at most.",
  "uri-too-long": "A request target may have 8192 bytes at most.",
  "unsupported-media-type": "A body must be application/json in UTF-8, not compressed.",
  "idempotency-key-reused": "This Idempotency-Key was used for a request that says something else.",
  "funding-limit-exceeded": "All top-ups of an account together stay below 2^53 minor units.",
  "too-many-requests": "No more than 100 requests a second, please.",
  "headers-too-large": "The headers are too large together.",
  "internal-error": "The service failed; the reason is in its log.",
  "service-unavailable": "Something that this needs is not there at the moment.",
}

/** What any operation may answer, for it is refused before a route sees it, or fails. */
const everywhere: ReadonlyArray<ProblemKind> = [
  "invalid-request",
  "forbidden",
  "payload-too-large",
  "uri-too-long",
  "too-many-requests",
  "headers-too-large",
  "internal-error",
  "service-unavailable",
]

const headersOf = (kind: ProblemKind): Record<string, object> => {
  switch (kind) {
    case "unauthorized":
      return headers("WWW-Authenticate")
    case "too-many-requests":
      return headers("Retry-After")
    case "request-in-flight":
    case "service-unavailable":
      return headers("Retry-After")
    default:
      return {}
  }
}

const isKind = (name: string): name is ProblemKind => name in problems

const pascal = (kind: ProblemKind): string => kind.replace(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase())

const schemaName = (kind: ProblemKind): string => `${pascal(kind)}Problem`

const schemaOf = (kind: ProblemKind): object => ({
  type: "object",
  description: problems[kind].title,
  required: ["type", "title", "status", "detail"],
  properties: {
    type: { type: "string", const: `urn:tandem:problem:${kind}` },
    title: { type: "string", const: problems[kind].title },
    status: { type: "integer", const: problems[kind].status },
    detail: { type: "string", description: "What it was this time, for a person." },
    ...(kind === "invalid-request"
      ? {
          errors: {
            type: "array",
            items: { $ref: "#/components/schemas/InvalidField" },
            description: "Each place that is wrong.",
          },
        }
      : {}),
  },
  additionalProperties: false,
})

const invalidField = {
  type: "object",
  description: "One thing that is wrong with a request: where, and what.",
  required: ["detail"],
  properties: {
    pointer: { type: "string", description: "A JSON pointer (RFC 6901) into the body." },
    parameter: { type: "string", description: "The name of a parameter of query, path or header." },
    detail: { type: "string" },
  },
  additionalProperties: false,
}

const exampleOf = (kind: ProblemKind): unknown =>
  problemBody(
    kind,
    details[kind],
    kind === "invalid-request" ? [{ parameter: "userId", detail: "must be given once" }] : undefined,
  )

const reference = (kind: ProblemKind) => ({ $ref: `#/components/schemas/${schemaName(kind)}` })

const responseOf = (kinds: ReadonlyArray<ProblemKind>): Response => {
  const headers = Object.assign({}, ...kinds.map(headersOf))
  const [first] = kinds
  const content: MediaType =
    kinds.length === 1 && first !== undefined
      ? { schema: reference(first), example: exampleOf(first) }
      : {
          schema: {
            oneOf: kinds.map(reference),
            discriminator: {
              propertyName: "type",
              mapping: Object.fromEntries(kinds.map((kind) => [`urn:tandem:problem:${kind}`, reference(kind).$ref])),
            },
          },
          examples: Object.fromEntries(kinds.map((kind) => [kind, { value: exampleOf(kind) }])),
        }
  return {
    description: kinds.map((kind) => problems[kind].title).join("; "),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    content: { [problemMediaType]: content },
  }
}

/** By name, so that a new one moves no other. */
const sorted = <A>(parts: Readonly<Record<string, A>>): Record<string, A> =>
  Object.fromEntries(Object.entries(parts).sort(([one], [other]) => (one < other ? -1 : 1)))

/** Problems as the responses of an operation, by status. */
export const problemResponses = (...kinds: ReadonlyArray<ProblemKind>): Record<string, Response> =>
  Object.fromEntries([...byStatus(kinds)].map(([status, same]) => [String(status), responseOf(same)]))

const byStatus = (kinds: Iterable<ProblemKind>): ReadonlyMap<number, ReadonlyArray<ProblemKind>> => {
  const grouped = new Map<number, Array<ProblemKind>>()
  for (const kind of new Set(kinds)) {
    const { status } = problems[kind]
    grouped.set(status, [...(grouped.get(status) ?? []), kind])
  }
  return grouped
}

/** The kinds that a response is declared with, each by a schema whose `type` has one value. */
const declaredKinds = (response: Response | Reference): ReadonlyArray<ProblemKind> =>
  [...JSON.stringify(response).matchAll(/"urn:tandem:problem:(?<kind>[a-z-]+)"/g)].flatMap(({ groups }) => {
    const kind = groups?.["kind"] ?? ""
    return isKind(kind) ? [kind] : []
  })

/** A value in a path may be none that the router takes; and where a caller is asked for, none may be known. */
const fromAround = (path: string, { security = [] }: Operation): ReadonlyArray<ProblemKind> => [
  ...everywhere,
  ...(path.includes("{") ? (["not-found"] as const) : []),
  ...(security.length > 0 ? (["unauthorized"] as const) : []),
]

/**
 * Gives every operation the problems that it can answer: those that its endpoint declares, and those that come from before any route.
 * Each kind is one schema of the document, and a status that means one thing only is one response of it.
 */
export const describeProblems = (document: Document): void => {
  const schemas: Record<string, unknown> = { ...document.components?.schemas, InvalidField: invalidField }
  const shared: Record<string, Response> = { ...document.components?.responses }
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const operation of Object.values(operations)) {
      const declared = Object.entries(operation.responses ?? {})
      const responses = Object.fromEntries(declared.filter(([status]) => Number(status) < 400))
      const kinds = [...declared.flatMap(([, response]) => declaredKinds(response)), ...fromAround(path, operation)]
      for (const kind of kinds) schemas[schemaName(kind)] = schemaOf(kind)
      for (const [status, same] of byStatus(kinds)) {
        const [only] = same
        if (same.length === 1 && only !== undefined) {
          shared[pascal(only)] = responseOf(same)
          responses[status] = { $ref: `#/components/responses/${pascal(only)}` }
        } else {
          responses[status] = responseOf(same)
        }
      }
      operation.responses = responses
    }
  }
  document.components = { ...document.components, schemas: sorted(schemas), responses: sorted(shared) }
}
