import { problemMediaType } from "../Problem.js"

type Json = { [key: string]: unknown }

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Makes the generated document say what the services do. The generator lists its own decode error under every 400, but
 * service-kit answers each of those with problem+json; and it calls every body required, but a command may come in the query.
 */
export const describeAsServed = (document: Json): Json => {
  const components = isObject(document["components"]) ? document["components"] : {}
  const schemas = isObject(components["schemas"]) ? { ...components["schemas"] } : {}
  delete schemas["HttpApiDecodeError"]
  delete schemas["Issue"]
  delete schemas["PropertyKey"]
  const paths = isObject(document["paths"]) ? document["paths"] : {}
  for (const path of Object.values(paths).filter(isObject)) {
    for (const operation of Object.values(path).filter(isObject)) {
      const body = operation["requestBody"]
      if (isObject(body)) body["required"] = false
      const responses = operation["responses"]
      if (isObject(responses)) withoutDecodeError(responses)
    }
  }
  return { ...document, components: { ...components, schemas } }
}

/** The generator puts its decode error and the declared 400s under one media type, its own; what remains is problem+json. */
const withoutDecodeError = (responses: Json): void => {
  const response = responses["400"]
  if (!isObject(response) || !isObject(response["content"])) return
  const entry = response["content"]["application/json"]
  const schema = isObject(entry) ? entry["schema"] : undefined
  if (!isObject(schema)) return
  const declared = (Array.isArray(schema["anyOf"]) ? schema["anyOf"] : [schema]).filter((one) => !isDecodeError(one))
  if (declared.length === 0) {
    delete responses["400"]
    return
  }
  response["description"] = "The request is invalid"
  response["content"] = { [problemMediaType]: { schema: declared.length === 1 ? declared[0] : { anyOf: declared } } }
}

const isDecodeError = (schema: unknown): boolean =>
  isObject(schema) && schema["$ref"] === "#/components/schemas/HttpApiDecodeError"
