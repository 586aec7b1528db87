import { describe, expect, it } from "vitest"
import { breakingChanges, breakingMessages, type Document, type MessageDocument } from "./BreakingChanges.js"
import type { JsonSchema } from "./SchemaDifference.js"

const thing: JsonSchema = {
  type: "object",
  required: ["id", "status"],
  properties: {
    id: { type: "string", pattern: "^[a-z]+$", maxLength: 9 },
    status: { $ref: "#/components/schemas/Status" },
    note: { anyOf: [{ type: "string" }, { type: "null" }] },
    tags: { type: "array", items: { type: "string" } },
  },
  additionalProperties: false,
}

const command: JsonSchema = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string" }, amount: { type: "integer", minimum: 1, maximum: 10 } },
  additionalProperties: false,
}

const response = {
  headers: { ETag: {}, Location: {} },
  content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } },
}

const limit = { name: "limit", in: "query", required: false, schema: { type: "integer", minimum: 1, maximum: 200 } }

const kind = { name: "kind", in: "query", required: false, schema: { type: "string", enum: ["a", "b"] } }

const get = {
  operationId: "getThing",
  parameters: [limit, kind],
  security: [{ bearer: [] }, {}],
  responses: { 200: response },
}

const post = {
  operationId: "createThing",
  requestBody: {
    required: false,
    content: { "application/json": { schema: { $ref: "#/components/schemas/Command" } } },
  },
  responses: { 201: response, 409: { content: { "application/problem+json": { schema: { type: "object" } } } } },
} as const

interface Parts {
  readonly get?: object
  readonly post?: object
  readonly thing?: JsonSchema
  readonly command?: JsonSchema
  readonly status?: JsonSchema
  readonly paths?: object
}

const document = (parts: Parts = {}): Document => ({
  paths: {
    "/things": { get: { ...get, ...parts.get }, post: { ...post, ...parts.post } },
    ...parts.paths,
  },
  components: {
    schemas: {
      Thing: parts.thing ?? thing,
      Command: parts.command ?? command,
      Status: parts.status ?? { type: "string", enum: ["NEW", "DONE"] },
    },
  },
})

const changed = (schema: JsonSchema, properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
  ...schema,
  properties: { ...schema.properties, ...properties },
})

const without = (schema: JsonSchema, name: string): JsonSchema => ({
  ...schema,
  properties: Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([key]) => key !== name)),
})

const breaking: ReadonlyArray<readonly [rule: string, after: Document, change: RegExp]> = [
  ["a path that is gone", { ...document(), paths: {} }, /\/things is gone/],
  ["an operation that is gone", { ...document(), paths: { "/things": { get } } }, /POST \/things is gone/],
  ["another operation id", document({ get: { operationId: "fetchThing" } }), /called fetchThing/],
  ["credentials where none were needed", document({ get: { security: [{ bearer: [] }] } }), /needs credentials/],
  ["a parameter that is gone", document({ get: { parameters: [limit] } }), /parameter kind is gone/],
  [
    "a new required parameter",
    document({ get: { parameters: [limit, kind, { name: "user", in: "query", required: true }] } }),
    /parameter user is required/,
  ],
  [
    "a parameter that is required now",
    document({ get: { parameters: [{ ...limit, required: true }, kind] } }),
    /parameter limit is required/,
  ],
  [
    "a narrower bound of a parameter",
    document({ get: { parameters: [{ ...limit, schema: { type: "integer", minimum: 1, maximum: 100 } }, kind] } }),
    /parameter limit refuses above maximum 100/,
  ],
  [
    "a narrower enum of a parameter",
    document({ get: { parameters: [limit, { ...kind, schema: { type: "string", enum: ["a"] } }] } }),
    /parameter kind refuses the value "b"/,
  ],
  [
    "another type of a parameter",
    document({ get: { parameters: [{ ...limit, schema: { type: "boolean" } }, kind] } }),
    /parameter limit refuses the type integer/,
  ],
  [
    "a body that is required now",
    document({ post: { requestBody: { ...post.requestBody, required: true } } }),
    /body is required/,
  ],
  ["a body that is gone", document({ post: { requestBody: undefined } }), /body is gone/],
  [
    "a media type of a body that is gone",
    document({ post: { requestBody: { content: { "text/plain": {} } } } }),
    /body can no longer be application\/json/,
  ],
  [
    "a new required field of a body",
    document({ command: { ...command, required: ["id", "amount"] } }),
    /refuses \/amount: its absence/,
  ],
  [
    "a field that a body may no longer have",
    document({ command: without(command, "amount") }),
    /refuses \/amount: its presence/,
  ],
  [
    "a raised minimum of a body's field",
    document({ command: changed(command, { amount: { type: "integer", minimum: 5, maximum: 10 } }) }),
    /refuses \/amount: below minimum 5/,
  ],
  [
    "a new pattern of a body's field",
    document({ command: changed(command, { id: { type: "string", pattern: "^x" } }) }),
    /refuses \/id: without the pattern/,
  ],
  [
    "values of a body's field that are enumerated now",
    document({ command: changed(command, { id: { type: "string", enum: ["x"] } }) }),
    /refuses \/id: values other than "x"/,
  ],
  ["a success that is gone", document({ get: { responses: {} } }), /200 is gone/],
  [
    "a header that is gone",
    document({ get: { responses: { 200: { ...response, headers: { ETag: {} } } } } }),
    /lost the header Location/,
  ],
  [
    "a media type of an answer that is gone",
    document({ get: { responses: { 200: { ...response, content: { "text/plain": {} } } } } }),
    /200 is no longer application\/json/,
  ],
  ["a field of an answer that is gone", document({ thing: without(thing, "note") }), /lost the field \/note/],
  [
    "a field of an answer that may be absent now",
    document({ thing: { ...thing, required: ["id"] } }),
    /may have \/status: its absence/,
  ],
  [
    "a new value of an answer",
    document({ status: { type: "string", enum: ["NEW", "DONE", "GONE"] } }),
    /may have \/status: the value "GONE"/,
  ],
  [
    "an answer's field of another type",
    document({ thing: changed(thing, { id: { type: "integer" } }) }),
    /may have \/id: the type integer/,
  ],
  [
    "an answer's field that may be null now",
    document({
      thing: changed(thing, {
        id: { anyOf: [{ type: "string", pattern: "^[a-z]+$", maxLength: 9 }, { type: "null" }] },
      }),
    }),
    /may have \/id: the type null/,
  ],
  [
    "an answer's field that may be longer now",
    document({ thing: changed(thing, { id: { type: "string", pattern: "^[a-z]+$", maxLength: 10 } }) }),
    /may have \/id: above maxLength 9/,
  ],
  [
    "items of another type",
    document({ thing: changed(thing, { tags: { type: "array", items: { type: "number" } } }) }),
    /may have \/tags\/\*: the type number/,
  ],
]

const harmless: ReadonlyArray<readonly [rule: string, after: Document]> = [
  ["nothing", document()],
  ["a new path", document({ paths: { "/others": { get } } })],
  ["a new optional parameter", document({ get: { parameters: [limit, kind, { name: "cursor", in: "query" }] } })],
  [
    "a wider parameter",
    document({ get: { parameters: [{ ...limit, schema: { type: "integer", minimum: 0, maximum: 500 } }, kind] } }),
  ],
  ["a new optional field of a body", document({ command: changed(command, { note: { type: "string" } }) })],
  ["a field that a body need not have any more", document({ command: { ...command, required: [] } })],
  ["a new field of an answer", document({ thing: changed(thing, { at: { type: "string" } }) })],
  ["a field that an answer always has now", document({ thing: { ...thing, required: ["id", "status", "note"] } })],
  ["fewer values of an answer", document({ status: { type: "string", enum: ["DONE"] } })],
  ["an answer's field that is never null any more", document({ thing: changed(thing, { note: { type: "string" } }) })],
  ["an error that cannot be any more", document({ post: { responses: { 201: response } } })],
  ["credentials that are not needed any more", document({ get: { security: [] } })],
]

describe("a breaking change", () => {
  it.each(breaking)("is %s", (_rule, after, change) => {
    const changes = breakingChanges(document(), after)
    expect(changes).not.toEqual([])
    for (const line of changes) expect(line).toMatch(change)
  })

  it.each(harmless)("is not %s", (_rule, after) => {
    expect(breakingChanges(document(), after)).toEqual([])
  })
})

const messages = (parts: { readonly channel?: object; readonly thing?: JsonSchema } = {}): MessageDocument => ({
  channels: { things: { address: "things", messages: { Thing: {} }, ...parts.channel } },
  components: {
    messages: { Thing: { payload: { $ref: "#/components/schemas/Thing" } } },
    schemas: { Thing: parts.thing ?? thing, Status: { type: "string", enum: ["NEW"] } },
  },
})

const breakingForReaders: ReadonlyArray<readonly [rule: string, after: MessageDocument, change: RegExp]> = [
  ["a channel that is gone", { ...messages(), channels: {} }, /channel things is gone/],
  ["a channel at another address", messages({ channel: { address: "stuff" } }), /is at stuff/],
  ["a message that is gone", messages({ channel: { messages: {} } }), /lost Thing/],
  ["a message that readers do not know", messages({ channel: { messages: { Thing: {}, Other: {} } } }), /has Other/],
  ["a field of a message that is gone", messages({ thing: without(thing, "note") }), /Thing lost the field \/note/],
  ["a field of a message that may be absent now", messages({ thing: { ...thing, required: ["id"] } }), /its absence/],
]

describe("a change of messages that breaks their readers", () => {
  it.each(breakingForReaders)("is %s", (_rule, after, change) => {
    const changes = breakingMessages(messages(), after)
    expect(changes).not.toEqual([])
    for (const line of changes) expect(line).toMatch(change)
  })

  it("is not a new field", () => {
    expect(breakingMessages(messages(), messages({ thing: changed(thing, { at: { type: "string" } }) }))).toEqual([])
  })
})
