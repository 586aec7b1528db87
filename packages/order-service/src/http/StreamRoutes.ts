import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { SqlClient } from "@effect/sql"
import { Access } from "@tandem/service-kit/auth/Access"
import { invalidRequestDetail } from "@tandem/service-kit/InvalidInput"
import { problemResponse } from "@tandem/service-kit/ProblemDetails"
import { Effect, Either } from "effect"
import { EventStreamConnection, eventStreamHeaders } from "../push/EventStreamConnection.js"
import { PushHub } from "../push/PushHub.js"
import * as PushRequest from "../push/PushRequest.js"
import { permit } from "../push/StreamAccess.js"

/** `GET /notifications/stream`: the frames of the WebSocket as Server-Sent Events. */
export const StreamRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function* () {
    const hub = yield* PushHub
    const access = yield* Access
    const sql = yield* SqlClient.SqlClient

    const open = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.gen(function* () {
        const message = NodeHttpServerRequest.toIncomingMessage(request)
        const query = request.url.indexOf("?")
        const asked = PushRequest.read(
          new URLSearchParams(query < 0 ? "" : request.url.slice(query)),
          message.headers["last-event-id"],
        )
        if (Either.isLeft(asked)) {
          return problemResponse({ kind: "invalid-request", detail: invalidRequestDetail, errors: asked.left })
        }
        const allowed = yield* Effect.either(permit(access, message, asked.right))
        if (Either.isLeft(allowed)) return problemResponse(allowed.left)
        if (request.method === "HEAD") return HttpServerResponse.empty({ status: 200, headers: eventStreamHeaders })
        const response = NodeHttpServerRequest.toServerResponse(request)
        yield* Effect.async<void>((resume) => {
          response.once("close", () => resume(Effect.void))
          hub.accept(new EventStreamConnection(response, allowed.right), asked.right.after)
        })
        // The stream has answered; nobody reads this.
        return HttpServerResponse.empty()
      }).pipe(Effect.provideService(SqlClient.SqlClient, sql))

    yield* router.add("GET", "/notifications/stream", open)
  }),
)
