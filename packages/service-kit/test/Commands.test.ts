import { connect } from "node:net"
import { expect, it, layer } from "@effect/vitest"
import type { InvalidField, ProblemKind } from "@tandem/contracts/Problem"
import { Effect } from "effect"
import { expectProblem } from "./expectProblem.js"
import { type Ask, ask, converse, Sample, serve, until } from "./server.js"

const json = { "content-type": "application/json" }
const parcel = '{"userId":"1","amount":500}'

const accepted: ReadonlyArray<readonly [why: string, path: string, ask: Ask]> = [
  ["the query alone", "/parcels?userId=1&amount=500", {}],
  ["a body alone", "/parcels", { headers: json, body: parcel }],
  ["a chunked body", "/parcels", { headers: json, body: [parcel.slice(0, 9), parcel.slice(9)] }],
  ["both, which agree", "/parcels?userId=1&amount=500", { headers: json, body: parcel }],
  ["both, the query a part", "/parcels?amount=500", { headers: json, body: parcel }],
  ["a charset", "/parcels", { headers: { "content-type": 'Application/JSON; charset="UTF-8"' }, body: parcel }],
  ["white space up to the limit", "/parcels", { headers: json, body: parcel.padEnd(65_536) }],
  [
    "an empty body of another type",
    "/parcels?userId=1&amount=500",
    { headers: { "content-type": "text/plain", "content-length": "0" } },
  ],
  ["a parameter that nobody knows", "/parcels?userId=1&amount=500&utm=x", {}],
]

layer(Sample.layer, { excludeTestServices: true })("a command comes in the query or as JSON", (it) => {
  for (const [why, path, how] of accepted) {
    it.effect(why, () =>
      Effect.gen(function* () {
        const { port } = yield* Sample
        const answer = yield* ask(port, path, { method: "POST", ...how })
        expect([answer.status, answer.text, answer.headers["location"]]).toEqual([201, parcel, "/parcels/1"])
      }),
    )
  }
})

const amounts = [
  "0",
  "-1",
  "1.5",
  "abc",
  "",
  "007",
  "1e2",
  "+5",
  "%2B5",
  "0x5",
  "1000000000001",
  "9007199254740993",
  "NaN",
  "%D9%A3",
]

const refused: ReadonlyArray<
  readonly [why: string, path: string, ask: Ask, kind: ProblemKind, errors?: ReadonlyArray<Partial<InvalidField>>]
> = [
  [
    "neither query nor body",
    "/parcels",
    {},
    "invalid-request",
    [
      { parameter: "userId", detail: "is missing" },
      { parameter: "amount", detail: "is missing" },
    ],
  ],
  ["half a query", "/parcels?userId=1", {}, "invalid-request", [{ parameter: "amount", detail: "is missing" }]],
  ["an empty userId", "/parcels?userId=&amount=5", {}, "invalid-request", [{ parameter: "userId" }]],
  [
    "a parameter twice",
    "/parcels?userId=1&amount=5&amount=5",
    {},
    "invalid-request",
    [{ parameter: "amount", detail: "must be given once" }],
  ],
  ...amounts.map(
    (amount) =>
      [
        `amount=${amount}`,
        `/parcels?userId=1&amount=${amount}`,
        {},
        "invalid-request",
        [{ parameter: "amount" }],
      ] as const,
  ),
  ...['"5"', "0", "-1", "1.5", "1e13", "null", "true", "[5]", "{}"].map(
    (amount) =>
      [
        `"amount":${amount}`,
        "/parcels",
        { headers: json, body: `{"userId":"1","amount":${amount}}` },
        "invalid-request",
        [{ pointer: "/amount" }],
      ] as const,
  ),
  [
    "a body that differs from the query",
    "/parcels?userId=1&amount=501",
    { headers: json, body: parcel },
    "invalid-request",
    [{ parameter: "amount", detail: "differs from the body" }],
  ],
  [
    "a command in two halves",
    "/parcels?userId=1",
    { headers: json, body: '{"amount":500}' },
    "invalid-request",
    [{ pointer: "/userId", detail: "is missing" }],
  ],
  [
    "unknown fields, without naming them",
    "/parcels",
    { headers: json, body: '{"userId":"1","amount":500,"admin":true,"__proto__":{"x":1}}' },
    "invalid-request",
    [{ pointer: "", detail: "has an unknown field; known are userId, amount" }],
  ],
  ["an array", "/parcels", { headers: json, body: `[${parcel}]` }, "invalid-request", [{ pointer: "" }]],
  ["null", "/parcels", { headers: json, body: "null" }, "invalid-request", [{ pointer: "" }]],
  ["half a document", "/parcels", { headers: json, body: '{"userId":"1"' }, "malformed-json"],
  [
    "bytes that are no UTF-8",
    "/parcels",
    { headers: json, body: new Uint8Array([0x22, 0xff, 0x22]) },
    "malformed-json",
  ],
  ["white space alone", "/parcels", { headers: json, body: "  " }, "malformed-json"],
  ["no type", "/parcels", { body: parcel }, "unsupported-media-type"],
  [
    "a form",
    "/parcels",
    { headers: { "content-type": "application/x-www-form-urlencoded" }, body: "userId=1" },
    "unsupported-media-type",
  ],
  [
    "a type that only begins the same",
    "/parcels",
    { headers: { "content-type": "application/jsonp" }, body: parcel },
    "unsupported-media-type",
  ],
  [
    "another charset",
    "/parcels",
    { headers: { "content-type": "application/json; charset=utf-16" }, body: parcel },
    "unsupported-media-type",
  ],
  [
    "a compressed body",
    "/parcels",
    { headers: { ...json, "content-encoding": "gzip" }, body: parcel },
    "unsupported-media-type",
  ],
  ["a form beside a whole query", "/parcels?userId=1&amount=5", { body: ["x"] }, "unsupported-media-type"],
  ["a length over the limit", "/parcels", { headers: json, body: parcel.padEnd(65_537) }, "payload-too-large"],
  [
    "chunks over the limit",
    "/parcels",
    { headers: json, body: Array.from({ length: 9 }, () => " ".repeat(8_192)) },
    "payload-too-large",
  ],
]

layer(Sample.layer, { excludeTestServices: true })("what is no command is refused by name", (it) => {
  for (const [why, path, how, kind, errors] of refused) {
    it.effect(`${why}: ${kind}`, () =>
      Effect.gen(function* () {
        const { port } = yield* Sample
        expectProblem(yield* ask(port, path, { method: "POST", ...how }), kind, errors)
      }),
    )
  }
})

const head = "POST /parcels HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"

it.scopedLive("a body that is too large is refused before it is read to the end", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    // The rest of neither body ever comes.
    const told = yield* converse(port, `${head}Content-Length: 1000000000\r\n\r\n{`)
    expect(told).toMatch(/^HTTP\/1.1 413 /)
    const chunk = `10000\r\n${" ".repeat(65_536)}\r\n`
    const untold = yield* converse(port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`)
    expect(untold).toMatch(/^HTTP\/1.1 413 /)
  }),
)

it.scopedLive("who is still sending a body that is too large may finish, and is not reset", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const part = " ".repeat(65_536)
    const kinds = [
      { length: `Content-Length: ${8 * part.length}`, part },
      { length: "Transfer-Encoding: chunked", part: `10000\r\n${part}\r\n` },
    ]
    for (const { length, part } of kinds) {
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => connect(port, "127.0.0.1")),
        (socket) => Effect.sync(() => socket.destroy()),
      )
      const write = (text: string) =>
        Effect.async<void, Error>((resume) => {
          socket.write(text, (error) => resume(error ? Effect.fail(error) : Effect.void))
        })
      let received = ""
      socket.setEncoding("utf8").on("data", (text: string) => {
        received += text
      })
      socket.on("error", () => {})
      yield* write(`${head}${length}\r\n\r\n${part}${part}`)
      yield* until(() => received !== "")
      expect(received).toMatch(/^HTTP\/1.1 413 /)
      for (let sent = 2; sent < 8; sent++) yield* write(part)
    }
  }),
)

it.scopedLive("who goes away in the middle of a body, or before the answer, harms nobody", () =>
  Effect.gen(function* () {
    const { port, server } = yield* serve()
    let closed = 0
    server.on("request", (_request, response) => {
      response.on("close", () => closed++)
    })
    for (const bytes of [
      `${head}Content-Length: 500\r\n\r\n{`,
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{`,
      "GET /plain/slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ]) {
      const before = closed
      const arrived = Effect.async<void>((resume) => {
        server.once("request", () => resume(Effect.void))
      })
      yield* Effect.race(converse(port, bytes), arrived)
      yield* until(() => closed === before + 1)
    }
    expect((yield* ask(port, "/parcels?userId=1&amount=500", { method: "POST" })).status).toBe(201)
  }),
)

it.scopedLive("who asks first whether to send a body is told to, unless it is too large", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const large = yield* converse(port, `${head}Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n`)
    expect(large).toMatch(/^HTTP\/1.1 413 /)
    const small = yield* converse(
      port,
      `${head}Content-Length: ${parcel.length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n${parcel}`,
    )
    expect(small).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
  }),
)
