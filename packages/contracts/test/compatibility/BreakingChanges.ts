import { difference, type JsonSchema } from "./SchemaDifference.js"

interface Contents {
  readonly content?: Readonly<Record<string, { readonly schema?: JsonSchema }>>
}

interface Response extends Contents {
  readonly $ref?: string
  readonly headers?: Readonly<Record<string, unknown>>
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema?: JsonSchema
}

interface Operation {
  readonly operationId?: string
  readonly parameters?: ReadonlyArray<Parameter>
  readonly requestBody?: Contents & { readonly required?: boolean }
  readonly responses?: Readonly<Record<string, Response>>
  readonly security?: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** An OpenAPI document, as far as it is looked into. */
export interface Document {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: {
    readonly schemas?: Readonly<Record<string, JsonSchema>>
    readonly responses?: Readonly<Record<string, Response>>
  }
}

/**
 * What a client of the `before` document can no longer rely on in the `after` one, a line each. A request may come to be taken more
 * widely and an answer to say more fields, but a request must not be refused that was taken, and an answer must not lose what it
 * had or hold values that could not be.
 */
export const breakingChanges = (before: Document, after: Document): ReadonlyArray<string> =>
  Object.entries(before.paths ?? {}).flatMap(([path, methods]) => {
    const kept = after.paths?.[path]
    if (kept === undefined) return [`${path} is gone`]
    return Object.entries(methods).flatMap(([method, operation]) => {
      const name = `${method.toUpperCase()} ${path}`
      const other = kept[method]
      if (other === undefined) return [`${name} is gone`]
      return ofOperation(before, after, operation, other).map((change) => `${name}: ${change}`)
    })
  })

/** An AsyncAPI document, as far as it is looked into. */
export interface MessageDocument {
  readonly channels?: Readonly<
    Record<string, { readonly address?: string; readonly messages?: Readonly<Record<string, unknown>> }>
  >
  readonly components?: {
    readonly messages?: Readonly<Record<string, { readonly payload?: JsonSchema }>>
    readonly schemas?: Readonly<Record<string, JsonSchema>>
  }
}

/**
 * What a reader of the messages of `before` can no longer rely on in `after`, a line each. A new message on a channel is one too: a
 * consumer sets aside what it does not know.
 */
export const breakingMessages = (before: MessageDocument, after: MessageDocument): ReadonlyArray<string> => [
  ...Object.entries(before.channels ?? {}).flatMap(([name, channel]) => {
    const other = after.channels?.[name]
    if (other === undefined) return [`the channel ${name} is gone`]
    const [old, now] = [Object.keys(channel.messages ?? {}), Object.keys(other.messages ?? {})]
    return [
      ...(channel.address === other.address
        ? []
        : [`the channel ${name} is at ${other.address} and no longer at ${channel.address}`]),
      ...old.filter((message) => !now.includes(message)).map((message) => `the channel ${name} lost ${message}`),
      ...now.filter((message) => !old.includes(message)).map((message) => `the channel ${name} has ${message}`),
    ]
  }),
  ...Object.entries(before.components?.messages ?? {}).flatMap(([name, { payload }]) => {
    const other = after.components?.messages?.[name]
    if (other === undefined) return []
    const [earlier, later] = [at(before, payload), at(after, other.payload)]
    return [
      ...difference(later, earlier, true).map((what) => `${name} may have ${what}`),
      ...lostFields(earlier, later).map((field) => `${name} lost the field ${field}`),
    ]
  }),
]

const ofOperation = (before: Document, after: Document, old: Operation, now: Operation): ReadonlyArray<string> => [
  ...(old.operationId === now.operationId ? [] : [`is called ${now.operationId} and no longer ${old.operationId}`]),
  ...(needsNothing(old) && !needsNothing(now) ? ["needs credentials"] : []),
  ...ofParameters(before, after, old.parameters ?? [], now.parameters ?? []),
  ...ofBody(before, after, old.requestBody, now.requestBody),
  ...ofResponses(before, after, old.responses ?? {}, now.responses ?? {}),
]

const needsNothing = ({ security = [] }: Operation): boolean =>
  security.length === 0 || security.some((one) => Object.keys(one).length === 0)

const ofParameters = (
  before: Document,
  after: Document,
  old: ReadonlyArray<Parameter>,
  now: ReadonlyArray<Parameter>,
): ReadonlyArray<string> => {
  const find = (all: ReadonlyArray<Parameter>, { name, in: place }: Parameter) =>
    all.find((one) => one.name.toLowerCase() === name.toLowerCase() && one.in === place)
  return [
    ...now
      .filter((parameter) => parameter.required === true && find(old, parameter)?.required !== true)
      .map(({ name }) => `the parameter ${name} is required`),
    ...old.flatMap((parameter) => {
      const other = find(now, parameter)
      if (other === undefined) return [`the parameter ${parameter.name} is gone`]
      const refused = difference(at(before, parameter.schema), at(after, other.schema), false)
      return refused.map((what) => `the parameter ${parameter.name} refuses ${what}`)
    }),
  ]
}

const ofBody = (
  before: Document,
  after: Document,
  old: Operation["requestBody"],
  now: Operation["requestBody"],
): ReadonlyArray<string> => {
  if (old === undefined) return now?.required === true ? ["a body is required"] : []
  if (now === undefined) return ["the body is gone"]
  return [
    ...(now.required === true && old.required !== true ? ["the body is required"] : []),
    ...Object.entries(old.content ?? {}).flatMap(([mediaType, { schema }]) => {
      const other = now.content?.[mediaType]
      if (other === undefined) return [`the body can no longer be ${mediaType}`]
      return difference(at(before, schema), at(after, other.schema), false).map((what) => `the body refuses ${what}`)
    }),
  ]
}

const ofResponses = (
  before: Document,
  after: Document,
  old: Readonly<Record<string, Response>>,
  now: Readonly<Record<string, Response>>,
): ReadonlyArray<string> =>
  Object.entries(old).flatMap(([status, response]) => {
    const other = now[status]
    // An error that cannot be any more breaks nobody.
    if (other === undefined) return Number(status) < 400 ? [`${status} is gone`] : []
    const [was, is] = [sharedResponse(before, response), sharedResponse(after, other)]
    const lostHeaders = Object.keys(was.headers ?? {})
      .filter((name) => !Object.keys(is.headers ?? {}).some((one) => one.toLowerCase() === name.toLowerCase()))
      .map((name) => `${status} lost the header ${name}`)
    const changes = Object.entries(was.content ?? {}).flatMap(([mediaType, { schema }]) => {
      const entry = is.content?.[mediaType]
      if (entry === undefined) return [`${status} is no longer ${mediaType}`]
      // Another kind of problem under a status that there was is no news to who reads problems.
      if (Number(status) >= 400) return []
      const [earlier, later] = [at(before, schema), at(after, entry.schema)]
      return [
        ...difference(later, earlier, true).map((what) => `${status} may have ${what}`),
        ...lostFields(earlier, later).map((field) => `${status} lost the field ${field}`),
      ]
    })
    return [...lostHeaders, ...changes]
  })

const sharedResponse = (document: Document, response: Response): Response =>
  response.$ref === undefined ? response : (document.components?.responses?.[lastPart(response.$ref)] ?? {})

const lastPart = (reference: string): string => reference.split("/").at(-1) ?? ""

const at = (document: Pick<MessageDocument, "components">, schema: JsonSchema = {}) => ({
  schema,
  resolve: (reference: string): JsonSchema => document.components?.schemas?.[lastPart(reference)] ?? {},
})

type Place = ReturnType<typeof at>

/** The fields of an answer, required or not, that are there no longer. */
const lostFields = (earlier: Place, later: Place): ReadonlyArray<string> => {
  const kept = new Set(fieldsOf(later))
  return fieldsOf(earlier).filter((field) => !kept.has(field))
}

const fieldsOf = ({ schema, resolve }: Place, path = "", depth = 0): ReadonlyArray<string> => {
  if (depth > 12) return []
  if (schema.$ref !== undefined) return fieldsOf({ schema: resolve(schema.$ref), resolve }, path, depth + 1)
  const inner = (part: JsonSchema, where: string) => fieldsOf({ schema: part, resolve }, where, depth + 1)
  return [
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((variant) => inner(variant, path)),
    ...(schema.items === undefined ? [] : inner(schema.items, `${path}/*`)),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) => [
      `${path}/${name}`,
      ...inner(property, `${path}/${name}`),
    ]),
  ]
}
