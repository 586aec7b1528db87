import { expect, it, layer } from "@effect/vitest"
import type { ProblemKind } from "@tandem/contracts/Problem"
import { Effect } from "effect"
import { expectProblem } from "./expectProblem.js"
import { type Answer, converse, Sample, serve } from "./server.js"

const host = "Host: 127.0.0.1"
const filler = (bytes: number) => "x".repeat(bytes)

/** The answers in what came over a connection. */
const answers = (received: string): ReadonlyArray<Answer> => {
  const found: Array<Answer> = []
  let rest = received
  while (rest !== "") {
    const end = rest.indexOf("\r\n\r\n")
    const [line = "", ...lines] = rest.slice(0, end).split("\r\n")
    const headers = Object.fromEntries(
      lines.map((header) => [header.split(":")[0]?.toLowerCase(), header.replace(/^[^:]*:\s*/, "")]),
    )
    const length = Number(headers["content-length"] ?? 0)
    found.push({ status: Number(line.split(" ")[1]), headers, text: rest.slice(end + 4, end + 4 + length) })
    rest = rest.slice(end + 4 + length)
  }
  return found
}

const cases: ReadonlyArray<readonly [why: string, bytes: string, kind: ProblemKind]> = [
  ["garbage", "how do you do\r\n\r\n", "invalid-request"],
  ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "invalid-request"],
  ["another protocol's version", `GET /plain HTTP/3.7\r\n${host}\r\n\r\n`, "invalid-request"],
  ["no Host", "GET /plain HTTP/1.1\r\n\r\n", "invalid-request"],
  ["a header without a name", `GET /plain HTTP/1.1\r\n${host}\r\n: x\r\n\r\n`, "invalid-request"],
  [
    "two lengths",
    `POST /parcels HTTP/1.1\r\n${host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    "invalid-request",
  ],
  ["a length that is none", `POST /parcels HTTP/1.1\r\n${host}\r\nContent-Length: ten\r\n\r\n`, "invalid-request"],
  [
    "a length and chunks, as request smugglers do",
    `POST /parcels HTTP/1.1\r\n${host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "invalid-request",
  ],
  [
    "a broken chunk in the middle of a body",
    `POST /parcels HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    "invalid-request",
  ],
  [
    "headers that are too large",
    `GET /plain HTTP/1.1\r\n${host}\r\nX-Filler: ${filler(30_000)}\r\n\r\n`,
    "headers-too-large",
  ],
  ["a target that does not fit the buffer", `GET /${filler(40_000)} HTTP/1.1\r\n${host}\r\n\r\n`, "uri-too-long"],
  [
    "a target that is too long",
    `GET /${filler(9_000)} HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`,
    "uri-too-long",
  ],
  [
    "a target of another host",
    `GET http://bank.test/ HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`,
    "invalid-request",
  ],
  [
    "an expectation",
    `POST /parcels HTTP/1.1\r\n${host}\r\nExpect: the-moon\r\nConnection: close\r\n\r\n`,
    "invalid-request",
  ],
  ["a proxy's request", `CONNECT bank.test:443 HTTP/1.1\r\n${host}\r\n\r\n`, "method-not-allowed"],
  [
    "a WebSocket where none is",
    `GET /plain HTTP/1.1\r\n${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`,
    "not-found",
  ],
  [
    "a WebSocket from somebody else's page",
    `GET /plain HTTP/1.1\r\n${host}\r\nOrigin: http://evil.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    "forbidden",
  ],
]

layer(Sample.layer, { excludeTestServices: true })("what is refused before any route is a problem too", (it) => {
  for (const [why, bytes, kind] of cases) {
    it.effect(`${why}: ${kind}`, () =>
      Effect.gen(function* () {
        const { port } = yield* Sample
        const received = answers(yield* converse(port, bytes))
        expect(received.length).toBe(1)
        for (const answer of received) expectProblem(answer, kind)
      }),
    )
  }
})

it.scopedLive("requests on one connection are answered in their order, and what follows nonsense is not", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const good = `GET /plain HTTP/1.1\r\n${host}\r\n\r\n`
    const last = `GET /nowhere HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`
    expect(answers(yield* converse(port, good + good + last)).map(({ status }) => status)).toEqual([200, 200, 404])
    expect(answers(yield* converse(port, `nonsense\r\n\r\n${good}`)).map(({ status }) => status)).toEqual([400])
  }),
)

it.scopedLive("an offer of HTTP/2 is answered in HTTP/1.1, a whole target of our own is a path", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"
    const offered = answers(
      yield* converse(port, `POST /parcels?userId=1&amount=5 HTTP/1.1\r\n${host}\r\n${upgrade}\r\n\r\n`),
    )
    expect(offered.map(({ status }) => status)).toEqual([201])
    const whole = yield* converse(port, `GET http://127.0.0.1/plain HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`)
    expect(answers(whole).map(({ status, text }) => [status, text])).toEqual([[200, "hello"]])
  }),
)

it.scopedLive("a health check in HTTP/1.0 needs no Host, and a chunked body is the same as any", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const check = answers(yield* converse(port, "GET /health/live HTTP/1.0\r\n\r\n"))
    expect(check.map(({ status }) => status)).toEqual([200])
    const head = `POST /parcels HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\n`
    const body = '{"userId":"1","amount":5}'
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n${body.slice(0, 5)}\r\n14\r\n${body.slice(5)}\r\n0\r\n\r\n`
    const told = `${head}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    expect(answers(yield* converse(port, chunked + told)).map(({ status, text }) => [status, text])).toEqual([
      [201, body],
      [201, body],
    ])
  }),
)

it.scopedLive("an upgrade to a listed path is left to its owner", () =>
  Effect.gen(function* () {
    const { port, server } = yield* serve()
    server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
    const received = yield* converse(
      port,
      `GET /ws?userId=1 HTTP/1.1\r\n${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    )
    expect(received).toBe("HTTP/1.1 101 Switching Protocols\r\n\r\n")
  }),
)

it.scopedLive("a target that is no URL is answered, asked for an upgrade too, and the server serves on", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket"
    for (const target of ["//[", "///", "/%", "/%zz", "/\\", "//:0", "/plain?%", "*", "/ws\u00ff"]) {
      for (const headers of [host, `${host}\r\n${upgrade}`]) {
        const [answer] = answers(
          yield* converse(port, `GET ${target} HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n`),
        )
        expect([target, answer !== undefined && answer.status < 500]).toEqual([target, true])
      }
    }
    const good = yield* converse(port, `GET /plain HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`)
    expect(answers(good).map(({ status }) => status)).toEqual([200])
  }),
)
