import { createHash } from "node:crypto"
import { Client } from "pg"

const names = new Map<string, string>()

const nameOf = (text: string): string => {
  const known = names.get(text) ?? createHash("sha1").update(text).digest("base64url")
  names.set(text, known)
  return known
}

type Query = (...parameters: ReadonlyArray<unknown>) => unknown

/**
 * A connection that prepares every statement with parameters under a name of its own, so that a poll that finds nothing costs no parsing
 * and planning. The broker's texts are few and never change: values go in parameters, sets in arrays.
 */
export class PreparedClient extends Client {
  constructor(config?: ConstructorParameters<typeof Client>[0]) {
    super(config)
    const query: Query = this.query.bind(this) as Query
    const prepared: Query = (text, values, callback) =>
      typeof text === "string" && Array.isArray(values) && values.length > 0
        ? query({ name: nameOf(text), text, values }, callback)
        : query(text, values, callback)
    this.query = prepared as typeof this.query
  }
}
