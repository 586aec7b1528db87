import { createHash } from "node:crypto"
import { Client, type QueryArrayResult } from "pg"
import { type Answer, begin, beginning } from "./BeginningQuery.js"

const names = new Map<string, string>()

/** A statement's text gets a name, so that each connection parses it once and the server may keep its plan. */
const nameOf = (text: string): string => {
  const known = names.get(text)
  if (known !== undefined) return known
  const name = createHash("sha1").update(text).digest("base64url")
  if (names.size < 1_000) names.set(text, name)
  return name
}

type Query = (...parameters: ReadonlyArray<unknown>) => unknown

/**
 * A connection that prepares every statement with parameters under a name of its own: parsing and planning the services' statements
 * anew each time took a fifth of the server's time. The texts of a service are few, for values go in parameters and sets in arrays;
 * past a thousand the names are not remembered here any more. A statement names its columns: one with `*` fails (0A000) on the
 * connections that prepared it once a migration adds a column.
 *
 * A BEGIN is answered at once and sent with the statement that follows it (`BeginningQuery`); when COMMIT or ROLLBACK follows, neither is sent.
 */
export class PreparedClient extends Client {
  constructor(config?: ConstructorParameters<typeof Client>[0]) {
    super(config)
    const query: Query = this.query.bind(this) as Query
    /** The server has prepared BEGIN. */
    let known = false
    let held = false

    // A statement that waits behind a BEGIN which failed must not run by itself: the connection ends before it can.
    const sendBegin = () =>
      query(begin, (fault: Error | null) => {
        known = fault === null
        if (fault !== null) this.connection.stream.destroy()
      })

    const prepared: Query = (text, values, callback) => {
      const named =
        typeof text === "string" && Array.isArray(values) && values.length > 0
          ? { name: nameOf(text), text, values }
          : undefined
      const answer = typeof callback === "function" ? (callback as Answer) : undefined
      if (text === begin.text && answer !== undefined) {
        held = true
        return answer(null, nothing("BEGIN"))
      }
      if (held) {
        held = false
        if ((text === "COMMIT" || text === "ROLLBACK") && answer !== undefined) return answer(null, nothing(text))
        if (known && named !== undefined && answer !== undefined) {
          return query(
            beginning(named, (fault, result) => {
              // It may be that BEGIN is not prepared any more.
              known = fault === null
              answer(fault, result)
            }),
          )
        }
        sendBegin()
      }
      return named === undefined ? query(text, values, callback) : query(named, callback)
    }
    this.query = prepared as typeof this.query
  }
}

const nothing = (command: string): QueryArrayResult => ({ command, rowCount: null, oid: 0, fields: [], rows: [] })
