import type { IncomingMessage } from "node:http"
import { Context, type Exit, Layer } from "effect"
import type { Caller } from "./auth/Caller.js"
import type { Answer } from "./idempotency/IdempotentWrites.js"

/**
 * A way past the router and HttpApi for the plain form of one hot route: what these do for each request costs as much as all the rest of it
 * (docs/performance.md).
 *
 * It reads nothing that the endpoint of the same route would read otherwise, and leaves all else to that endpoint: other forms of the
 * command, whatever is wrong with it, traced requests. So it knows no error of its own.
 */
export interface DirectRoute<Command> {
  readonly method: "POST"
  /** Without parameters, such as `/orders`. */
  readonly path: string
  /** What a query, without its question mark, plainly says, and the caller may do; undefined leaves the request to the endpoint. */
  readonly read: (query: string, caller: Caller) => Command | undefined
  /** Does it as the endpoint would, without a fiber where it can; `done` hears how it ended, once. A fault becomes a problem as anywhere. */
  readonly answer: (command: Command, idempotencyKey: string | undefined, done: Done) => void
}

/** Hears how a request ended. */
export type Done = (exit: Exit.Exit<Answer, unknown>) => void

/** Runs a request that a direct route has taken. */
export type Taken = (done: Done) => void

type Take = (query: string, caller: Caller, idempotencyKey: string | undefined) => Taken | undefined

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
    routes.set(`${method} ${path}`, (query, caller, idempotencyKey) => {
      const command = read(query, caller)
      return command === undefined ? undefined : (done) => answer(command, idempotencyKey, done)
    })
  }

  const take = (request: IncomingMessage, callerOf: CallerOf) => {
    const url = request.url ?? ""
    const mark = url.indexOf("?")
    if (mark < 0) return undefined
    const route = routes.get(`${request.method} ${url.slice(0, mark)}`)
    if (route === undefined || !isPlain(request)) return undefined
    const caller = callerOf(request)
    return caller === undefined ? undefined : route(url.slice(mark + 1), caller, keyOf(request))
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
    (headers["content-length"] === undefined || headers["content-length"] === "0") &&
    (key === undefined || plainKey.test(key))
  )
}
