import type { Operation, Parameter, Response } from "./OpenApiModel.js"
import { problemResponses } from "./OpenApiProblems.js"

const text = (mediaType: string, description: string, schema: object = { type: "string" }): Response => ({
  description,
  content: { [mediaType]: { schema } },
})

/** What every service tells of itself. */
export const operationsPaths = (): Record<string, Record<string, Operation>> => ({
  "/health/live": {
    get: {
      operationId: "getLiveness",
      tags: ["operations"],
      summary: "Whether the process answers",
      responses: {
        200: text("application/json", "It does", {
          type: "object",
          required: ["status"],
          properties: { status: { type: "string", const: "live" } },
        }),
      },
    },
  },
  "/health/ready": {
    get: {
      operationId: "getReadiness",
      tags: ["operations"],
      summary: "Whether the service can do its work",
      description: "503 names what is down.",
      responses: {
        200: text("application/json", "It can", {
          type: "object",
          required: ["status", "checks"],
          properties: {
            status: { type: "string", const: "ready" },
            checks: { type: "object", additionalProperties: { type: "string", const: "up" } },
          },
        }),
      },
    },
  },
  "/metrics": {
    get: {
      operationId: "getMetrics",
      tags: ["operations"],
      summary: "The service's metrics, for Prometheus",
      responses: { 200: text("text/plain", "The metrics in Prometheus text") },
    },
  },
})

const streamParameters: ReadonlyArray<Parameter> = [
  {
    name: "userId",
    in: "query",
    required: false,
    description: "Whose frames; where a token or a ticket says who listens, his own when it is absent.",
    schema: { $ref: "#/components/schemas/UserId" },
    example: "1",
  },
  {
    name: "after",
    in: "query",
    required: false,
    description: "Everything above this number is replayed first; live frames only when it is absent or empty.",
    schema: {
      anyOf: [
        { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
        { type: "string", enum: [""] },
      ],
    },
  },
]

const ticket: Parameter = {
  name: "ticket",
  in: "query",
  required: false,
  description:
    "Of `POST /push-tickets`, where the service asks for tokens and the caller cannot send one, as a browser.",
  schema: { type: "string" },
}

const frame = 'id: 0\nevent: welcome\ndata: {"type":"welcome","userId":"1","seq":0,"recovered":true}\n\n'

/** The push of the order service, the same frames over two transports; what is in them stands in `/asyncapi.json`. */
export const pushPaths = (): Record<string, Record<string, Operation>> => ({
  "/notifications/stream": {
    get: {
      operationId: "streamNotifications",
      tags: ["push"],
      summary: "Be told of every change of a user's orders, as server-sent events",
      description: "`id:` is the frame's `seq` and `event:` its `type`; `/asyncapi.json` says what is in the frames.",
      parameters: [
        ...streamParameters,
        ticket,
        {
          name: "Last-Event-ID",
          in: "header",
          required: false,
          description: "As a browser sends it when it comes again; it wins over `after`.",
          schema: { type: "string" },
        },
      ],
      responses: {
        200: {
          description: "The frames, for as long as both sides keep it open",
          // A schema would be one of all of it, which never ends.
          content: { "text/event-stream": { example: frame } },
        },
        ...problemResponses("not-found", "unauthorized"),
      },
    },
  },
  "/ws": {
    get: {
      operationId: "openNotificationSocket",
      tags: ["push"],
      summary: "Be told of every change of a user's orders, over a WebSocket",
      description:
        "Each text message is one frame; `/asyncapi.json` says what is in it. 400 without `Upgrade: websocket`.",
      parameters: [...streamParameters, ticket],
      responses: {
        101: { description: "The WebSocket is open" },
        ...problemResponses("not-found", "unauthorized"),
      },
    },
  },
})
