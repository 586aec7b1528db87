import type { Reference } from "./OpenApiModel.js"

/** Every header that an answer can have beside those of HTTP itself. */
export const responseHeaders = {
  "Cache-Control": {
    description: "It may be kept for this user, and is to be asked for each time.",
    schema: { type: "string", const: "private, no-cache" },
  },
  ETag: { description: "The version that is shown.", schema: { type: "string" }, example: '"2"' },
  "Idempotent-Replayed": {
    description: "`true` on an answer that was given before; absent otherwise.",
    schema: { type: "string", const: "true" },
  },
  Location: {
    description: "Where it is.",
    schema: { type: "string", format: "uri-reference" },
    example: "/orders/01936f4e-8f2a-7c3b-9d4e-5f6071829304",
  },
  RateLimit: {
    description:
      "What the caller may still do (draft-ietf-httpapi-ratelimit-headers-10); absent where nothing is limited.",
    schema: { type: "string" },
    example: '"default";r=99;t=1',
  },
  "RateLimit-Policy": {
    description: "What the caller may do in all; absent where nothing is limited.",
    schema: { type: "string" },
    example: '"default";q=100;w=1',
  },
  "Retry-After": {
    description: "How long to wait before trying again, in seconds.",
    schema: { type: "integer", minimum: 0 },
    example: 1,
  },
  "WWW-Authenticate": {
    description: "What is wanted (RFC 6750).",
    schema: { type: "string" },
    example: 'Bearer realm="tandem"',
  },
  "X-Request-Id": {
    description: "Under which the logs know the request: the caller's own `X-Request-Id`, or a new one.",
    schema: { type: "string" },
    example: "M3kq0XnVw2Lt-1f",
  },
} as const

/** These headers as a response refers to them. */
export const headers = (...names: ReadonlyArray<keyof typeof responseHeaders>): Record<string, Reference> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
