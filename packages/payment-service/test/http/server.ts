import { PaymentApi } from "@tandem/contracts/http/PaymentApi"
import { HealthChecks } from "@tandem/service-kit/Health"
import * as HttpService from "@tandem/service-kit/HttpService"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Context, Effect, Layer } from "effect"
import { AccountsRoutes } from "../../src/http/AccountsRoutes.js"
import { PaymentsRoutes } from "../../src/http/PaymentsRoutes.js"
import { database } from "../sql/database.js"

/** Where the service under test listens: `http://127.0.0.1:port`. */
export class Origin extends Context.Tag("Origin")<Origin, string>() {}

/** The payment service's HTTP side on a free port, over a database of its own. */
export const service = Layer.scoped(
  Origin,
  Effect.gen(function* () {
    const { listen } = yield* NodeServer
    const { port } = yield* listen
    return `http://127.0.0.1:${port}`
  }),
).pipe(
  Layer.provide(HttpService.layer({ api: PaymentApi, routes: Layer.merge(AccountsRoutes, PaymentsRoutes) })),
  Layer.provide(NodeServer.layer({ host: "127.0.0.1", port: 0, corsOrigins: [] })),
  Layer.provide(HealthChecks.layer),
  Layer.provideMerge(database),
)

/** What came back. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Readonly<Record<string, unknown>>
}

/** One request; the body of the answer must be a JSON object. */
export const ask = (method: "GET" | "POST", path: string, json?: unknown, type = "application/json") =>
  Effect.flatMap(Origin, (origin) =>
    Effect.promise(async (signal): Promise<Answer> => {
      const body = json === undefined ? {} : { body: typeof json === "string" ? json : JSON.stringify(json) }
      const headers = json === undefined ? {} : { "content-type": type }
      const response = await fetch(`${origin}${path}`, { method, headers, ...body, signal })
      return { status: response.status, headers: response.headers, body: Object(await response.json()) }
    }),
  )
