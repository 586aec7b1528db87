/** A parameter of an operation. */
export interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  description?: string
  schema: object
  readonly required?: boolean
  readonly example?: unknown
}

/** A reference to a component. */
export interface Reference {
  readonly $ref: string
}

/** What is sent in one media type. */
export interface MediaType {
  schema?: unknown
  example?: unknown
  examples?: Readonly<Record<string, { readonly value: unknown }>>
}

/** One response of an operation. */
export interface Response {
  description: string
  headers?: Record<string, object>
  content?: Record<string, MediaType>
}

/** One method of one path. */
export interface Operation {
  operationId?: string
  summary?: string
  description?: string
  tags?: ReadonlyArray<string>
  parameters?: Array<Parameter>
  requestBody?: { required?: boolean; content?: Record<string, MediaType> }
  security?: ReadonlyArray<Readonly<Record<string, ReadonlyArray<string>>>>
  /** By status. */
  responses?: Record<string, Response | Reference>
}

/** The parts of an OpenAPI 3.1 document that are worked on here. */
export interface Document {
  info?: object
  servers?: ReadonlyArray<object>
  security?: ReadonlyArray<object>
  tags?: ReadonlyArray<{ readonly name: string; readonly description?: string }>
  paths?: Record<string, Record<string, Operation>>
  components?: {
    schemas?: Record<string, unknown>
    responses?: Record<string, Response>
    headers?: Record<string, object>
    securitySchemes?: object
  }
}

/** Every operation of a document. */
export const operationsOf = ({ paths = {} }: Document): ReadonlyArray<Operation> =>
  Object.values(paths).flatMap((path) => Object.values(path))
