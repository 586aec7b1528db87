import { request as nodeRequest } from "node:http"
import { connect } from "node:net"
import { HealthChecks } from "@tandem/service-kit/Health"
import * as HttpService from "@tandem/service-kit/HttpService"
import { NodeServer, type NodeServerOptions } from "@tandem/service-kit/NodeServer"
import { Context, Effect, Layer, Schedule } from "effect"
import { SampleApi, sampleRoutes } from "./SampleApi.js"

export const page = "http://shop.test:8080"

/** A listening sample service on a free port, for as long as the scope. */
export const serve = (options: Partial<NodeServerOptions> = {}) =>
  Effect.gen(function* () {
    const layer = HttpService.layer({ api: SampleApi, routes: sampleRoutes, upgradePaths: ["/ws"] }).pipe(
      Layer.provideMerge(NodeServer.layer({ host: "127.0.0.1", port: 0, corsOrigins: [page], ...options })),
      Layer.provideMerge(HealthChecks.layer),
    )
    const context = yield* Layer.build(layer)
    return yield* Effect.provide(
      Effect.gen(function* () {
        const { server, listen } = yield* NodeServer
        const { port } = yield* listen
        return { server, port, health: yield* HealthChecks }
      }),
      context,
    )
  })

/** One sample service for all the tests of a table. */
export class Sample extends Context.Tag("Sample")<Sample, Effect.Effect.Success<ReturnType<typeof serve>>>() {
  static readonly layer = Layer.scoped(Sample, serve())
}

/** Waits for a condition, looked at every few milliseconds, for 20 s at most. */
export const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("the condition never held") }),
  )

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Parts are sent chunked, one by one. */
  readonly body?: string | Uint8Array | ReadonlyArray<string>
}

/** One request over a connection of its own. */
export const ask = (port: number, path: string, { method = "GET", headers = {}, body }: Ask = {}) =>
  Effect.async<Answer, Error>((resume) => {
    const request = nodeRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (part: string) => {
        text += part
      })
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text })),
      )
      response.on("error", (error) => resume(Effect.fail(error)))
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    if (typeof body === "string" || body instanceof Uint8Array) request.end(body)
    else {
      for (const part of body ?? []) request.write(part)
      request.end()
    }
    return Effect.sync(() => request.destroy())
  })

/** Sends bytes as they are, and answers all that comes back until the other side ends. */
export const converse = (port: number, text: string) =>
  Effect.async<string, Error>((resume) => {
    let received = ""
    const socket = connect(port, "127.0.0.1", () => socket.write(text))
    socket.setEncoding("utf8")
    socket.on("data", (part) => {
      received += part
    })
    socket.on("close", () => resume(Effect.succeed(received)))
    socket.on("error", () => resume(Effect.succeed(received)))
    return Effect.sync(() => socket.destroy())
  })
