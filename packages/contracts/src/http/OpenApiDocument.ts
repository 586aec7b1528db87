import { problemMediaType } from "../Problem.js"
import { exampleOf } from "./OpenApiExamples.js"
import { headers, responseHeaders } from "./OpenApiHeaders.js"
import { type Document, type Operation, operationsOf } from "./OpenApiModel.js"
import { describeProblems } from "./OpenApiProblems.js"

/** What a service answers beside its HttpApi. */
export interface Surroundings {
  /** Where it listens by default. */
  readonly port: number
  /** Paths that are plain routes, anew each time. */
  readonly paths: () => Record<string, Record<string, Operation>>
  /** What the groups of operations are about. */
  readonly tags: Readonly<Record<string, string>>
  /** Operations, by id, that need no caller. */
  readonly open: ReadonlyArray<string>
}

/** Every operation can be called without a token where the service asks for none. */
const optionalBearer = [{ bearer: [] }, {}]

const securitySchemes = {
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description:
      "A token of the configured issuer: `sub` is the user; the scope `operator` sees everybody's, `accounts:fund` tops up. Asked for " +
      "only where `AUTH_JWKS_URL` is set.",
  },
}

/** What each parameter means, wherever it occurs, and what fits in it. */
const parameters: Readonly<Record<string, { readonly description: string; readonly schema?: object }>> = {
  id: { description: "The order's id.", schema: { $ref: "#/components/schemas/OrderId" } },
  orderId: { description: "The order's id.", schema: { $ref: "#/components/schemas/OrderId" } },
  userId: { description: "Who orders and pays.", schema: { $ref: "#/components/schemas/UserId" } },
  amount: { description: "Money in minor units, in plain digits." },
  status: { description: "Only those with this status; all when it is absent or empty." },
  limit: { description: "How many items a page holds at most." },
  cursor: { description: "The `next` of the page before; the first page when it is absent or empty." },
  after: { description: "Only what comes after this number." },
}

/**
 * Makes the generated document say what the services do. The generator lists its own decode error under every 400, but service-kit
 * answers each of those with problem+json; it calls every body required, but a command may come in the query; and it knows nothing
 * of what every operation can answer.
 */
export const describeAsServed = (document: Document): Document => {
  const { schemas = {}, ...components } = document.components ?? {}
  const { HttpApiDecodeError: _error, Issue: _issue, PropertyKey: _key, ...own } = schemas
  const described = { ...document, components: { ...components, schemas: own } }
  for (const operation of operationsOf(described)) {
    if (operation.requestBody !== undefined) operation.requestBody.required = false
    for (const parameter of operation.parameters ?? []) {
      const known = parameters[parameter.name]
      if (known === undefined || parameter.description !== undefined) continue
      parameter.description = known.description
      if (known.schema !== undefined) parameter.schema = known.schema
    }
  }
  describeProblems(described)
  for (const operation of operationsOf(described)) addExamples(operation)
  addCommonHeaders(described)
  return described
}

/** {@link describeAsServed} for one of the services, with everything that is served beside its HttpApi. */
export const describeService =
  ({ port, paths, tags, open }: Surroundings) =>
  (document: Document): Document => {
    document.paths = { ...document.paths, ...paths() }
    for (const operation of operationsOf(document)) {
      operation.security = open.includes(operation.operationId ?? "") ? [] : optionalBearer
    }
    const described = describeAsServed(document)
    return {
      ...described,
      info: {
        ...described.info,
        contact: { name: "The maintainers of Tandem" },
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [
        { url: "/", description: "The service that this document comes from" },
        { url: `http://127.0.0.1:${port}`, description: "On your own machine, as `npm start` starts it" },
      ],
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      components: { ...described.components, securitySchemes },
    }
  }

/** Every answer has a request id, and one whose caller is counted says what is left to him. */
const addCommonHeaders = (document: Document): void => {
  const own = operationsOf(document).flatMap(({ responses = {} }) => Object.values(responses))
  for (const response of [...own, ...Object.values(document.components?.responses ?? {})]) {
    if ("description" in response) {
      response.headers = { ...response.headers, ...headers("RateLimit", "RateLimit-Policy", "X-Request-Id") }
    }
  }
  document.components = { ...document.components, headers: usedHeaders(document) }
}

const usedHeaders = (document: Document): Record<string, object> => {
  const text = JSON.stringify(document)
  return Object.fromEntries(
    Object.entries(responseHeaders).filter(([name]) => text.includes(`"#/components/headers/${name}"`)),
  )
}

const addExamples = ({ requestBody, responses = {} }: Operation): void => {
  const contents = [requestBody, ...Object.values(responses)].map((part) =>
    part !== undefined && "content" in part ? part.content : undefined,
  )
  for (const content of contents) {
    for (const [mediaType, entry] of Object.entries(content ?? {})) {
      const example = mediaType === problemMediaType ? undefined : exampleOf(entry.schema)
      if (example !== undefined) entry.example = example
    }
  }
}
