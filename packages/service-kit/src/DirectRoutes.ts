import type { IncomingMessage } from "node:http"
import { Context, type Exit, Layer } from "effect"
import type { Caller } from "./auth/Caller.js"

/**
 * A way past the router and HttpApi for the plain form of one hot route: what these do for each request costs as much as all the rest of it
 * (docs/performance.md).
 *
 * It reads nothing that the endpoint of the same route would read otherwise, and leaves all else to that endpoint: other forms of the
 * command, whatever is wrong with it, traced requests. So it knows no error of its own.
 */
export interface DirectRoute<Command> {
  readonly method: "GET" | "POST"
  /** Such as `/orders`, which is asked with a query; or such as `/orders/`, which is asked with one more piece of path and no query. */
  readonly path: string
  /** What a query without its question mark, or a piece of path, plainly says, and the caller may do; undefined leaves the request to the endpoint. */
  readonly read: (given: string, caller: Caller) => Command | undefined
  /** Does it as the endpoint would, without a fiber where it can; `done` hears how it ended, once. A fault becomes a problem as anywhere. */
  readonly answer: (command: Command, idempotencyKey: string | undefined, done: Done) => void
}

/** A success in JSON. Names of headers in lower case; type and length are added. */
export interface DirectAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Hears how a request ended. */
export type Done = (exit: Exit.Exit<DirectAnswer, unknown>) => void

/** Runs a request that a direct route has taken. */
export type Taken = (done: Done) => void

type Take = (given: string, caller: Caller, idempotencyKey: string | undefined) => Taken | undefined

/** Undefined of a request that is not guarded, which no direct route takes. */
type CallerOf = (request: IncomingMessage) => Caller | undefined

/** The direct routes of a service; its features add theirs when they are built. */
export class DirectRoutes extends Context.Tag("@tandem/service-kit/DirectRoutes")<
  DirectRoutes,
  {
    readonly add: <Command>(route: DirectRoute<Command>) => void
    /** What to run for an admitted request; undefined leaves it to the router. */
    readonly take: (request: IncomingMessage, callerOf: CallerOf) => Taken | undefined
  }
>() {
  /** None to begin with. */
  static readonly layer: Layer.Layer<DirectRoutes> = Layer.sync(DirectRoutes, () => make())
}

const make = (): Context.Tag.Service<DirectRoutes> => {
  const routes = new Map<string, Take>()

  const add = <Command>({ method, path, read, answer }: DirectRoute<Command>) => {
    routes.set(`${method} ${path}`, (given, caller, idempotencyKey) => {
      const command = read(given, caller)
      return command === undefined ? undefined : (done) => answer(command, idempotencyKey, done)
    })
  }

  const take = (request: IncomingMessage, callerOf: CallerOf) => {
    const url = request.url ?? ""
    const mark = url.indexOf("?")
    const end = mark < 0 ? url.lastIndexOf("/") + 1 : mark
    const route = routes.get(`${request.method} ${url.slice(0, end)}`)
    if (route === undefined || !isPlain(request)) return undefined
    const caller = callerOf(request)
    return caller === undefined ? undefined : route(url.slice(mark < 0 ? end : end + 1), caller, keyOf(request))
  }

  return { add, take }
}

/** Without a comma, which may stand between two headers that Node has joined. */
const plainKey = /^[\x20-\x2b\x2d-\x7e]{1,255}$/

const keyOf = ({ headers }: IncomingMessage): string | undefined => {
  const key = headers["idempotency-key"]
  return typeof key === "string" ? key : undefined
}

const isPlain = (request: IncomingMessage): boolean => {
  const { headers } = request
  const key = keyOf(request)
  return (
    headers["transfer-encoding"] === undefined &&
    headers["if-none-match"] === undefined &&
    (headers["content-length"] === undefined || headers["content-length"] === "0") &&
    (key === undefined || plainKey.test(key))
  )
}
