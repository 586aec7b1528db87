import type { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { type Cause, type Context, Effect, Exit, Option, type Scope } from "effect"
import { Access } from "./auth/Access.js"
import type { IsGuarded } from "./auth/GuardedRoutes.js"
import { isChunked, readChunked } from "./ChunkedBody.js"
import { type DirectAnswer, DirectRoutes } from "./DirectRoutes.js"
import { maximumBodyBytes, maximumUriBytes } from "./Limits.js"
import { NodeServer } from "./NodeServer.js"
import { Origins } from "./Origins.js"
import { endWith } from "./ParserFaults.js"
import { type Problem, writeProblem } from "./ProblemDetails.js"
import * as RequestId from "./RequestId.js"
import type { RouteTable } from "./RouteTable.js"
import { ServiceResponse } from "./ServiceResponse.js"
import * as HttpMetrics from "./telemetry/HttpMetrics.js"
import { Sampling } from "./telemetry/Telemetry.js"

type App<E> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest | Scope.Scope>

/** A span costs a quarter of a small request: only who sends a trace along, or is sampled, gets one. */
const isUntraced = (request: HttpServerRequest.HttpServerRequest) => {
  const response = NodeHttpServerRequest.toServerResponse(request)
  return !(response instanceof ServiceResponse && response.traced)
}

/** Logs made on the way of a request name it. */
const named = <E>(app: App<E>): App<E> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const response = NodeHttpServerRequest.toServerResponse(request)
    return response instanceof ServiceResponse && response.requestId !== undefined
      ? Effect.annotateLogs(app, "requestId", response.requestId)
      : app
  })

/**
 * Puts an app on the server's events for as long as the scope, behind the gates: nothing that is refused here costs a fiber. A WebSocket
 * upgrade to one of `upgradePaths` is left to its owner.
 */
export const attach = <E>(
  app: App<E>,
  faulted: (cause: Cause.Cause<unknown>) => App<unknown>,
  upgradePaths: ReadonlyArray<string>,
  isGuarded: IsGuarded,
  routes: RouteTable,
) =>
  Effect.gen(function* () {
    const { server } = yield* NodeServer
    const origins = yield* Origins
    const direct = yield* DirectRoutes
    const { admit, callerOf } = yield* Access
    const { sample } = yield* Sampling
    const handler = <E1>(self: App<E1>) =>
      NodeHttpServer.makeHandler(named(self)).pipe(
        Effect.locally(HttpMiddleware.currentTracerDisabledWhen, isUntraced),
        // The last resort; the gates answer 413.
        Effect.provideService(HttpIncomingMessage.MaxBodySize, Option.some(FileSystem.Size(maximumBodyBytes))),
      )
    const answer = yield* handler(app)
    const answerFault = (request: IncomingMessage, response: ServiceResponse, cause: Cause.Cause<unknown>) =>
      Effect.runSync(handler(faulted(cause)))(request, response)

    const serve = (request: IncomingMessage, response: ServiceResponse) => {
      if (response.continues) {
        response.continues = false
        response.writeContinue()
      }
      if (isChunked(request)) {
        return readChunked(
          request,
          (whole) => answer(whole, response),
          () => writeProblem(response, tooLarge),
        )
      }
      const taken = response.traced ? undefined : direct.take(request, callerOf)
      if (taken === undefined) return answer(request, response)
      taken((exit) =>
        Exit.isSuccess(exit) ? writeAnswer(response, exit.value) : answerFault(request, response, exit.cause),
      )
    }

    let active = 0
    const watch = (request: IncomingMessage, response: ServiceResponse) => {
      const { traceparent } = request.headers
      response.requestId = RequestId.of(request)
      response.traced = traceparent !== undefined || sample()
      if (typeof traceparent === "string" && isTraceparent.test(traceparent)) response.traceparent = traceparent
      const started = performance.now()
      HttpMetrics.setActive(++active)
      response.once("close", () => {
        HttpMetrics.setActive(--active)
        const status = response.headersSent ? response.statusCode : 0
        const route = routes.pattern(request.method, request.url ?? "")
        HttpMetrics.observe(request.method, route, status, (performance.now() - started) / 1_000)
      })
    }

    const onRequest = (request: IncomingMessage, response: ServiceResponse) => {
      watch(request, response)
      request.url = originForm(request)
      response.cors = origins.corsHeaders(request)
      const refusal = refuse(origins, request)
      if (refusal !== undefined) return writeProblem(response, refusal)
      const preflight = origins.preflight(request)
      if (preflight !== undefined) return void response.writeHead(204, { ...preflight }).end()
      if (admit === undefined || isProbe(request)) return serve(request, response)
      const admission = admit(request, response, isGuarded(request.method, request.url))
      if (admission === undefined) return serve(request, response)
      if (!(admission instanceof Promise)) return writeProblem(response, admission)
      void admission.then((refused) => {
        if (response.destroyed) return
        if (refused === undefined) serve(request, response)
        else writeProblem(response, refused)
      })
    }

    const onContinue = (request: IncomingMessage, response: ServiceResponse) => {
      response.continues = true
      server.emit("request", request, response)
    }

    const onExpectation = (_request: IncomingMessage, response: ServiceResponse) =>
      writeProblem(response, { kind: "invalid-request", detail: "Only 100-continue can be expected of this service." })

    const onUpgrade = (request: IncomingMessage, socket: Duplex) => {
      socket.on("error", destroy)
      if (request.headers.upgrade?.toLowerCase() !== "websocket") return answerInHttp1(server, request, socket)
      // The parser lets through what is no URL, such as `//[`, and a listener that throws ends the process.
      const target = request.url ?? "/"
      const path = URL.canParse(target, "http://service") ? new URL(target, "http://service").pathname : undefined
      if (path !== undefined && upgradePaths.includes(path)) return
      endWith(socket, refuse(origins, request) ?? { kind: "not-found", detail: "No WebSocket is served at this path." })
    }

    const onConnect = (_request: IncomingMessage, socket: Duplex) =>
      endWith(socket, {
        kind: "method-not-allowed",
        detail: "This is no proxy.",
        headers: { allow: "GET, HEAD, POST, OPTIONS" },
      })

    yield* Effect.acquireRelease(
      Effect.sync(() =>
        server
          .on("request", onRequest)
          .on("checkContinue", onContinue)
          .on("checkExpectation", onExpectation)
          .on("upgrade", onUpgrade)
          .on("connect", onConnect),
      ),
      () =>
        Effect.sync(() =>
          server
            .off("request", onRequest)
            .off("checkContinue", onContinue)
            .off("checkExpectation", onExpectation)
            .off("upgrade", onUpgrade)
            .off("connect", onConnect),
        ),
    )
  })

/** W3C Trace Context, 3.2. */
const isTraceparent = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** A listener that stays with an upgraded socket, and so must not remember its request. */
function destroy(this: Duplex): void {
  this.destroy()
}

/** The answer of a direct route, head and body in one piece. */
const writeAnswer = (response: ServiceResponse, { status, headers, body }: DirectAnswer): void => {
  const length = String(Buffer.byteLength(body))
  response.writeHead(status, { ...headers, "content-type": "application/json", "content-length": length })
  response.end(body)
}

/** A target that names its host (RFC 9112, 3.2.2) in the form that the router knows; left alone when it names another than `Host`. */
const originForm = ({ url = "", headers }: IncomingMessage): string => {
  const own = `http://${headers.host}/`
  return url.startsWith("/") || !url.startsWith(own) ? url : url.slice(own.length - 1)
}

/** Who asks whether the service is well is never told to come later. */
const isProbe = ({ url = "" }: IncomingMessage): boolean => url.startsWith("/health/") || url === "/metrics"

/** What is refused before any route sees it, cheapest first. */
const refuse = (origins: Context.Tag.Service<Origins>, request: IncomingMessage): Problem | undefined => {
  const target = request.url ?? ""
  if (target.length > maximumUriBytes) {
    return { kind: "uri-too-long", detail: `A request target may have ${maximumUriBytes} bytes at most.` }
  }
  if (!target.startsWith("/") && !(target === "*" && request.method === "OPTIONS")) {
    return { kind: "invalid-request", detail: "A request target must be a path of this service." }
  }
  const refusal = origins.refuse(request)
  if (refusal !== undefined) return refusal
  return Number(request.headers["content-length"] ?? 0) > maximumBodyBytes ? tooLarge : undefined
}

const tooLarge: Problem = { kind: "payload-too-large", detail: `A body may have ${maximumBodyBytes} bytes at most.` }

/** Who offers HTTP/2 on a plain connection (`curl --http2`) is answered in HTTP/1.1, for an offer may be ignored. */
const answerInHttp1 = (
  server: Context.Tag.Service<NodeServer>["server"],
  request: IncomingMessage,
  socket: Duplex,
): void => {
  if (!(socket instanceof Socket) || Number(request.headers["content-length"] ?? 0) > 0) {
    endWith(socket, { kind: "invalid-request", detail: "A request with a body cannot ask for another protocol." })
    return
  }
  const response = new ServiceResponse(request)
  response.last = true
  response.assignSocket(socket)
  response.once("finish", () => socket.end())
  server.emit("request", request, response)
}
