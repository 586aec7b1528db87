import { type ProblemKind, problems } from "@tandem/contracts/Problem"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call } from "../src/Client.js"
import { sendRaw } from "../src/RawHttp.js"

interface Case {
  readonly why: string
  readonly service: "order" | "payment"
  readonly bytes: ReadonlyArray<string | Uint8Array>
  readonly kind: ProblemKind
  /** The parameters and pointers that the problem must name; none are looked at when absent. */
  readonly named?: ReadonlyArray<string>
  readonly headers?: Readonly<Record<string, string>>
}

const uuid = "01936f4e-8f2a-7c3b-9d4e-5f6071829304"
const host = "Host: 127.0.0.1"
const json = "Content-Type: application/json"

const request = (line: string, headers: ReadonlyArray<string> = [], body: string | Uint8Array = "") => {
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body
  const length = bytes.byteLength > 0 ? [`Content-Length: ${bytes.byteLength}`] : []
  return [`${line} HTTP/1.1\r\n${[host, ...length, ...headers].join("\r\n")}\r\n\r\n`, bytes]
}

const invalid = (
  service: Case["service"],
  line: string,
  named: ReadonlyArray<string>,
  headers: ReadonlyArray<string> = [],
  body: string | Uint8Array = "",
): Case => ({
  why: `${line.slice(0, 80)} ${typeof body === "string" ? body.slice(0, 40) : "(bytes)"} ${headers.join(" ").slice(0, 60)}`,
  service,
  bytes: request(line, headers, body),
  kind: "invalid-request",
  named,
})

const refused = (
  kind: ProblemKind,
  why: string,
  service: Case["service"],
  bytes: ReadonlyArray<string | Uint8Array>,
  headers: Readonly<Record<string, string>> = {},
): Case => ({ why, service, bytes, kind, headers })

/** Both commands that create something, which must read the same input alike. */
const commands = [
  ["order", "/orders"],
  ["payment", "/accounts"],
] as const

const noAmounts = [
  ..."|0|-1|-0|007|1e2|+5|%2B5|1.0|5.|.5|0x10|0b1|5n|1_000|1,000|5,5|five|NaN|Infinity|null|true|[]|{}".split("|"),
  ..."1000000000001|99999999999999999999|%20|5%20|%205|5%00|%00|5%0d%0a|%EF%BC%91|%D9%A1|%|%zz|%ff".split("|"),
]

const noUserIds = [
  ..."|%20|a%20b|a+b|a%2Fb|..|a.b|%00|a%00b|a%0d%0ab|%C3%A9|%ff|%ED%A0%80|%F0%9F%98%80|%E2%80%AE|a,b|%3Cscript%3E".split(
    "|",
  ),
  `'%3BDROP%20TABLE%20orders--`,
  "x".repeat(65),
  "x".repeat(4_000),
]

/** Bodies that are JSON but no command, with what is wrong with each. */
const noCommands: ReadonlyArray<readonly [body: string, named: ReadonlyArray<string>]> = [
  ["{}", ["/userId", "/amount"]],
  ["[]", [""]],
  ["null", [""]],
  ["5", [""]],
  ["true", [""]],
  ['"userId=1"', [""]],
  ['[{"userId":"1","amount":5}]', [""]],
  ['{"amount":5}', ["/userId"]],
  ['{"userId":"1"}', ["/amount"]],
  ['{"userId":1,"amount":5}', ["/userId"]],
  ['{"userId":null,"amount":null}', ["/userId", "/amount"]],
  ['{"userId":["1"],"amount":[5]}', ["/userId", "/amount"]],
  ['{"userId":{},"amount":{}}', ["/userId", "/amount"]],
  ['{"userId":"","amount":5}', ["/userId"]],
  ['{"userId":"\\ud800","amount":5}', ["/userId"]],
  ['{"userId":"\\u0000","amount":5}', ["/userId"]],
  ['{"userId":"a\\nb","amount":5}', ["/userId"]],
  ['{"userId":"1\\n","amount":5}', ["/userId"]],
  ['{"userId":"1","amount":"5"}', ["/amount"]],
  ['{"userId":"1","amount":0}', ["/amount"]],
  ['{"userId":"1","amount":-0}', ["/amount"]],
  ['{"userId":"1","amount":-5}', ["/amount"]],
  ['{"userId":"1","amount":1.5}', ["/amount"]],
  ['{"userId":"1","amount":1e-9}', ["/amount"]],
  ['{"userId":"1","amount":1000000000001}', ["/amount"]],
  ['{"userId":"1","amount":9007199254740993}', ["/amount"]],
  ['{"userId":"1","amount":1e400}', ["/amount"]],
  ['{"userId":"1","amount":true}', ["/amount"]],
  ['{"userId":"1","amount":5,"currency":"RUB"}', [""]],
  ['{"userId":"1","amount":5,"__proto__":{"admin":true}}', [""]],
  ['{"userId":"1","amount":5,"constructor":1}', [""]],
  ['{"userId":"1","amount":5,"":1}', [""]],
  ['{"userId":"1","amount":5,"amount":6}', ["/amount"]],
  ['{"userId":"1","userId":"1","amount":5}', ["/userId"]],
  ['{"userId":"1","amount":5,"\\u0061mount":6}', ["/amount"]],
  ['{"UserId":"1","Amount":5}', ["/userId", "/amount", ""]],
  ["[".repeat(20_000) + "]".repeat(20_000), [""]],
  [`{"userId":${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)},"amount":5}`, ["/userId"]],
  [`{"userId":"${"x".repeat(60_000)}","amount":5}`, ["/userId"]],
]

/** Bodies that are not JSON at all, or no UTF-8. */
const noJson: ReadonlyArray<string | Uint8Array> = [
  "{",
  "}",
  "{]",
  '{"userId":"1","amount":5',
  '{"userId":"1","amount":5,}',
  '{"userId":"1","amount":5}}',
  '{"userId":"1","amount":5} {}',
  "{'userId':'1','amount':5}",
  '{userId:"1",amount:5}',
  '{"userId":"1","amount":NaN}',
  '{"userId":"1","amount":0x10}',
  '{"userId":"1","amount":+5}',
  '{"userId":"1","amount":05}',
  '{"userId":"1\n","amount":5}',
  '{"userId":"1","amount":5} // note',
  "userId=1&amount=5",
  "<order/>",
  " ",
  "\0",
  '{"userId":"\xff","amount":5}',
  '{"userId":"\xed\xa0\x80","amount":5}',
  Buffer.from('{"userId":"1","amount":5}', "utf16le"),
  Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
]

const noContentTypes = [
  "text/plain",
  "text/json",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "application/jsonp",
  "application/json-patch+json",
  "application/problem+json",
  "application/xml",
  "application/octet-stream",
  "application/json; charset=iso-8859-1",
  "application/json; charset=utf-16",
  "application/json, text/plain",
  "*/*",
  "json",
  "",
]

const command = '{"userId":"1","amount":5}'

const input: ReadonlyArray<Case> = commands.flatMap(([service, path]) => [
  invalid(service, `POST ${path}`, ["userId", "amount"]),
  ...noAmounts.map((amount) => invalid(service, `POST ${path}?userId=1&amount=${amount}`, ["amount"])),
  ...noUserIds.map((userId) => invalid(service, `POST ${path}?userId=${userId}&amount=5`, ["userId"])),
  invalid(service, `POST ${path}?userId=1&amount=5&amount=5`, ["amount"]),
  invalid(service, `POST ${path}?userId=1&userId=2&amount=5`, ["userId"]),
  invalid(service, `POST ${path}?userId=1&amount=5&%61mount=6`, ["amount"]),
  invalid(service, `POST ${path}?amount=&userId=`, ["userId", "amount"]),
  invalid(service, `POST ${path}?${"userId=1&".repeat(900)}amount=5`, ["userId"]),
  ...noCommands.map(([body, named]) => invalid(service, `POST ${path}`, named, [json], body)),
  ...noJson.map(
    (body): Case => ({
      why: `POST ${path} with ${JSON.stringify(String(body).slice(0, 40))}`,
      service,
      bytes: request(`POST ${path}`, [json], body),
      kind: "malformed-json",
    }),
  ),
  ...noContentTypes.map((type) =>
    refused(
      "unsupported-media-type",
      `POST ${path} as ${type}`,
      service,
      request(`POST ${path}`, [`Content-Type: ${type}`], command),
    ),
  ),
  refused("unsupported-media-type", `POST ${path} as nothing`, service, request(`POST ${path}`, [], command)),
  refused(
    "unsupported-media-type",
    `POST ${path} as two types`,
    service,
    request(`POST ${path}`, [json, "Content-Type: text/plain"], command),
  ),
  ...["gzip", "br", "gzip, identity"].map((encoding) =>
    refused(
      "unsupported-media-type",
      `POST ${path} in ${encoding}`,
      service,
      request(`POST ${path}`, [json, `Content-Encoding: ${encoding}`], command),
    ),
  ),
  invalid(service, `POST ${path}?amount=6`, ["amount"], [json], command),
  invalid(service, `POST ${path}?userId=2&amount=6`, ["userId", "amount"], [json], command),
  ...["", "\u0007", "x".repeat(256), "\xe9"].map((key) =>
    key === "\u0007"
      ? refused(
          "invalid-request",
          `POST ${path} with a bell for a key`,
          service,
          request(`POST ${path}?userId=1&amount=5`, [`Idempotency-Key: ${key}`]),
        )
      : invalid(service, `POST ${path}?userId=1&amount=5`, ["Idempotency-Key"], [`Idempotency-Key: ${key}`]),
  ),
  invalid(service, `POST ${path}?userId=1&amount=5`, ["Idempotency-Key"], ["Idempotency-Key: a", "Idempotency-Key: a"]),
])

const noLimits = "|0|-1|201|007|1e2|+5|%2B5|5.0|five|0x10|%20|99999999999999999999".split("|")
const base64url = (text: string) => Buffer.from(text).toString("base64url")
const noCursors = [
  "x",
  "AAAA",
  "%00",
  "%ff",
  "null",
  "0",
  uuid,
  base64url(uuid),
  base64url("o:"),
  base64url("o:1"),
  base64url(`o:${uuid.toUpperCase()}`),
  base64url(`o:${uuid} OR true`),
  base64url("t:0"),
  base64url("t:-1"),
  base64url("t:1e3"),
  base64url("t:99999999999999999999"),
  "x".repeat(4_000),
]

const lists: ReadonlyArray<Case> = [
  invalid("order", "GET /orders", ["userId"]),
  ...noUserIds.map((userId) => invalid("order", `GET /orders?userId=${userId}`, ["userId"])),
  invalid("order", "GET /orders?userId=1&userId=1", ["userId"]),
  ...["finished", "PAID", "NEW,FINISHED", "%00", "null"].map((status) =>
    invalid("order", `GET /orders?userId=1&status=${status}`, ["status"]),
  ),
  invalid("order", "GET /orders?userId=1&status=NEW&status=FINISHED", ["status"]),
  ...noLimits.slice(1).map((limit) => invalid("order", `GET /orders?userId=1&limit=${limit}`, ["limit"])),
  invalid("order", "GET /orders?userId=1&limit=5&limit=5", ["limit"]),
  ...[...noCursors, base64url("t:5")].map((cursor) =>
    invalid("order", `GET /orders?userId=1&cursor=${cursor}`, ["cursor"]),
  ),
  invalid("order", "GET /orders?userId=&status=x&limit=0", ["userId", "status", "limit"]),
  ...["/notifications", "/notifications/stream"].flatMap((path) => [
    invalid("order", `GET ${path}`, ["userId"]),
    ...noUserIds.map((userId) => invalid("order", `GET ${path}?userId=${userId}`, ["userId"])),
    invalid("order", `GET ${path}?userId=1&userId=1`, ["userId"]),
    ...["-1", "007", "1e2", "+5", "five", "1.0", "9007199254740993"].map((after) =>
      invalid("order", `GET ${path}?userId=1&after=${after}`, ["after"]),
    ),
    invalid("order", `GET ${path}?userId=1&after=1&after=2`, ["after"]),
  ]),
  ...noLimits.slice(1).map((limit) => invalid("order", `GET /notifications?userId=1&limit=${limit}`, ["limit"])),
  ...noLimits.slice(1).map((limit) => invalid("payment", `GET /accounts/served/transfers?limit=${limit}`, ["limit"])),
  ...[...noCursors, base64url(`o:${uuid}`)].map((cursor) =>
    invalid("payment", `GET /accounts/served/transfers?cursor=${cursor}`, ["cursor"]),
  ),
  invalid("payment", "GET /accounts/served/transfers?cursor=&cursor=", ["cursor"]),
]

const noOrderIds = [
  "1",
  "null",
  uuid,
  uuid.toUpperCase(),
  uuid.replaceAll("-", ""),
  `%7B${uuid}%7D`,
  uuid.replace("-7", "-4"),
  `${uuid}%00`,
  `${uuid}%20`,
  "a%2Fb",
  "%2e%2e",
  "'%3B--",
  "*",
  ":id",
]

const ids: ReadonlyArray<Case> = [
  ...noOrderIds.flatMap((id) => [
    refused("order-not-found", `an order ${id}`, "order", request(`GET /orders/${id}`)),
    refused("order-not-found", `the history of ${id}`, "order", request(`GET /orders/${id}/history`)),
    refused("order-not-found", `cancelling ${id}`, "order", request(`POST /orders/${id}/cancel`)),
    refused("order-not-found", `refunding ${id}`, "order", request(`POST /orders/${id}/refund`)),
    refused("payment-not-found", `the payment of ${id}`, "payment", request(`GET /payments/${id}`)),
  ]),
  ...["nobody", "a%2Fb", "%20", "a.b", "x".repeat(90), "user:1", "%00"].flatMap((userId) => [
    refused("account-not-found", `the account of ${userId}`, "payment", request(`GET /accounts/${userId}`)),
    refused("account-not-found", `transfers of ${userId}`, "payment", request(`GET /accounts/${userId}/transfers`)),
  ]),
  invalid("order", "POST /push-tickets", [""], [json], '{"userId":"1"}'),
  refused("malformed-json", "a ticket for half a body", "order", request("POST /push-tickets", [json], "{")),
  refused("unsupported-media-type", "a ticket for a form", "order", request("POST /push-tickets", [], "x")),
  ...["cancel", "refund"].flatMap((ask) => [
    invalid("order", `POST /orders/${uuid}/${ask}`, [""], [json], '{"reason":"no"}'),
    invalid("order", `POST /orders/${uuid}/${ask}`, [""], [json], "[]"),
    refused("malformed-json", `${ask} with half a body`, "order", request(`POST /orders/${uuid}/${ask}`, [json], "{")),
    refused(
      "unsupported-media-type",
      `${ask} with a form`,
      "order",
      request(`POST /orders/${uuid}/${ask}`, ["Content-Type: text/plain"], "x"),
    ),
  ]),
]

const nowhere = [
  "/nowhere",
  "/Orders",
  "//orders",
  "/orders%2F1",
  "/orders/../accounts",
  "/orders/1/nothing",
  "/orders/1/cancel/again",
  "/.env",
  "/../../etc/passwd",
  "/%2e%2e/%2e%2e/etc/passwd",
  "/%ff",
  "/%",
  "/%zz",
  "/%00",
  "/a\\b",
  "/orders/%ff",
  "/orders/%ff/cancel",
  "//[",
  "///",
]

const paths: ReadonlyArray<Case> = nowhere.flatMap((path) =>
  (["order", "payment"] as const).map((service) =>
    refused("not-found", `GET ${path}`, service, request(`GET ${path}`)),
  ),
)

const allowed: ReadonlyArray<readonly [service: Case["service"], path: string, allow: string]> = [
  ["order", "/orders", "GET, HEAD, POST, OPTIONS"],
  ["order", `/orders/${uuid}`, "GET, HEAD, OPTIONS"],
  ["order", `/orders/${uuid}/history`, "GET, HEAD, OPTIONS"],
  ["order", `/orders/${uuid}/cancel`, "POST, OPTIONS"],
  ["order", `/orders/${uuid}/refund`, "POST, OPTIONS"],
  ["order", "/ws", "GET, HEAD, OPTIONS"],
  ["order", "/notifications", "GET, HEAD, OPTIONS"],
  ["order", "/notifications/stream", "GET, HEAD, OPTIONS"],
  ["order", "/push-tickets", "POST, OPTIONS"],
  ["order", "/asyncapi.html", "GET, HEAD, OPTIONS"],
  ["order", "/index.html", "GET, HEAD, OPTIONS"],
  ["order", "/health/live", "GET, HEAD, OPTIONS"],
  ["payment", "/accounts", "POST, OPTIONS"],
  ["payment", "/accounts/1", "GET, HEAD, OPTIONS"],
  ["payment", "/accounts/1/transfers", "GET, HEAD, OPTIONS"],
  ["payment", `/payments/${uuid}`, "GET, HEAD, OPTIONS"],
  ["payment", "/metrics", "GET, HEAD, OPTIONS"],
  ["payment", "/openapi.json", "GET, HEAD, OPTIONS"],
]

const methods: ReadonlyArray<Case> = allowed.flatMap(([service, path, allow]) =>
  ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "PURGE", "LOCK"]
    .filter((method) => !allow.split(", ").includes(method))
    .map((method) =>
      refused("method-not-allowed", `${method} ${path}`, service, request(`${method} ${path}`), { allow }),
    ),
)

const chunk = (size: number) => `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`
const chunked = "Transfer-Encoding: chunked"
const bare = (...lines: ReadonlyArray<string>) => [`${lines.join("\r\n")}\r\n\r\n`]
const post = "POST /orders?userId=1&amount=5 HTTP/1.1"
const close = { connection: "close" }

const sizes: ReadonlyArray<Case> = [
  ...commands.flatMap(([service, path]) => [
    refused(
      "payload-too-large",
      `a told length that is too large, at ${path}`,
      service,
      bare(`POST ${path} HTTP/1.1`, host, json, "Content-Length: 65537"),
      close,
    ),
    refused(
      "payload-too-large",
      `a told length beyond any, at ${path}`,
      service,
      bare(`POST ${path} HTTP/1.1`, host, json, "Content-Length: 9007199254740991"),
      close,
    ),
    refused(
      "payload-too-large",
      `chunks that become too large, at ${path}`,
      service,
      [...bare(`POST ${path} HTTP/1.1`, host, json, chunked), chunk(40_000), chunk(40_000)],
      close,
    ),
  ]),
  ...[
    `POST /orders/${uuid}/cancel`,
    `POST /orders/${uuid}/refund`,
    "GET /orders?userId=1",
    `GET /orders/${uuid}`,
    "GET /health/live",
    "GET /openapi.json",
    "GET /index.html",
    "DELETE /orders",
    "POST /nowhere",
  ].flatMap((line) => [
    refused(
      "payload-too-large",
      `${line} with a told length that is too large`,
      "order",
      bare(`${line} HTTP/1.1`, host, json, "Content-Length: 65537"),
      close,
    ),
    refused(
      "payload-too-large",
      `${line} with chunks that become too large`,
      "order",
      [...bare(`${line} HTTP/1.1`, host, json, chunked), chunk(40_000), chunk(40_000)],
      close,
    ),
  ]),
  refused(
    "payload-too-large",
    "an expected body that is too large",
    "order",
    bare(post, host, json, "Content-Length: 65537", "Expect: 100-continue"),
    close,
  ),
  refused("uri-too-long", "a target over 8 KiB", "order", request(`GET /orders?userId=${"1".repeat(8_200)}`)),
  refused("uri-too-long", "a target that fits no buffer", "payment", request(`GET /${"x".repeat(40_000)}`)),
  refused("headers-too-large", "one large header", "order", request("GET /", [`X-Filler: ${"x".repeat(30_000)}`])),
  refused(
    "headers-too-large",
    "many headers",
    "payment",
    request(
      "GET /accounts/1",
      Array.from({ length: 1_500 }, (_, index) => `X-Filler-${index}: xxxxxxxx`),
    ),
  ),
]

const protocol: ReadonlyArray<Case> = (
  [
    ["garbage", ["how do you do\r\n\r\n"]],
    ["a TLS hello", ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]],
    ["HTTP/2 without asking", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]],
    ["no version", ["GET /orders\r\n\r\n"]],
    ["another version", bare("GET /orders HTTP/3.7", host)],
    ["a lower-case method", bare("get /orders HTTP/1.1", host)],
    ["a method that nobody knows", bare("ORDER /orders HTTP/1.1", host)],
    ["two blanks", bare("GET  /orders HTTP/1.1", host)],
    ["a blank in the target", bare("GET /orders?userId=1 2 HTTP/1.1", host)],
    ["NUL in the target", bare("GET /orders?userId=\0 HTTP/1.1", host)],
    ["a target that is not ASCII", bare("GET /orders\xe9 HTTP/1.1", host)],
    ["a target without a path", bare("GET orders HTTP/1.1", host)],
    ["a target that is the whole service", bare("GET * HTTP/1.1", host)],
    ["a target of another host", bare("GET http://bank.test/ HTTP/1.1", host)],
    ["a target of another scheme", bare("GET ftp://127.0.0.1/ HTTP/1.1", host)],
    ["no Host", bare("GET /orders?userId=1 HTTP/1.1")],
    ["two Hosts", bare("GET /orders?userId=1 HTTP/1.1", host, "Host: bank.test")],
    ["a header without a name", bare(post, host, ": x")],
    ["a header without a colon", bare(post, host, "x")],
    ["a blank before the colon", bare(post, host, "X-Note : x")],
    ["a folded header", bare(post, host, "X-Note: x", " y")],
    ["NUL in a header", bare(post, host, "X-Note: \0")],
    ["a control character in a header", bare(post, host, "X-Note: \x01")],
    ["line feeds alone", [`${post}\n${host}\nX: y\n\n`]],
    ["a length that is none", bare(post, host, "Content-Length: ten")],
    ["a negative length", bare(post, host, "Content-Length: -1")],
    ["a length with a plus", bare(post, host, "Content-Length: +5")],
    ["a hexadecimal length", bare(post, host, "Content-Length: 0x10")],
    ["a length over all integers", bare(post, host, "Content-Length: 99999999999999999999999")],
    ["two lengths", bare(post, host, "Content-Length: 1", "Content-Length: 2")],
    ["the same length twice", bare(post, host, "Content-Length: 0", "Content-Length: 0")],
    ["two lengths in one", bare(post, host, "Content-Length: 1, 1")],
    ["a length and chunks", [...bare(post, host, json, "Content-Length: 5", chunked), "0\r\n\r\n"]],
    ["chunks and a length", [...bare(post, host, json, chunked, "Content-Length: 5"), "0\r\n\r\n"]],
    ["an unknown transfer coding", bare(post, host, json, "Transfer-Encoding: cow")],
    ["chunked that is not last", bare(post, host, json, "Transfer-Encoding: chunked, gzip")],
    ["a broken chunk size", [...bare(post, host, json, chunked), "zz\r\n"]],
    ["a negative chunk size", [...bare(post, host, json, chunked), "-1\r\n"]],
    ["a chunk that is longer than it says", [...bare(post, host, json, chunked), "1\r\nxx\r\n"]],
    ["an expectation of something else", bare(post, host, "Expect: the-moon")],
  ] satisfies ReadonlyArray<readonly [string, ReadonlyArray<string>]>
).map(([why, bytes]) => refused("invalid-request", why, "order", bytes))

const gates: ReadonlyArray<Case> = [
  refused("forbidden", "another machine's name", "order", bare(post, "Host: bank.test")),
  refused("forbidden", "an empty Host", "order", bare(post, "Host:")),
  refused("forbidden", "a Host with a user", "order", bare(post, "Host: 127.0.0.1@bank.test")),
  refused("forbidden", "a foreign page's POST", "order", bare(post, host, "Origin: http://bank.test")),
  refused("forbidden", "a POST of no origin", "payment", bare(post, host, "Origin: null")),
  refused(
    "method-not-allowed",
    "a proxy's request",
    "order",
    bare("CONNECT bank.test:443 HTTP/1.1", "Host: bank.test:443"),
  ),
  refused(
    "not-found",
    "a WebSocket where none is",
    "payment",
    bare("GET /ws HTTP/1.1", host, "Connection: Upgrade", "Upgrade: websocket"),
  ),
  refused("invalid-request", "a WebSocket's path without an upgrade", "order", bare("GET /ws?userId=1 HTTP/1.1", host)),
  ...["", "?userId=", "?userId=a%20b", "?userId=1&userId=2", "?userId=1&after=-1", "?userId=1&after=1e2"].map((query) =>
    refused(
      "invalid-request",
      `a WebSocket at /ws${query}`,
      "order",
      bare(
        `GET /ws${query} HTTP/1.1`,
        host,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ),
    ),
  ),
]

const groups = { input, lists, ids, paths, methods, sizes, protocol, gates }

describe("malformed requests", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ broker: "postgres" })
    await call("POST", `${stack.paymentUrl}/accounts?userId=served&amount=1000`)
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  for (const [name, cases] of Object.entries(groups)) {
    describe(name, () => {
      it.each(cases.map((one) => [one.service, one.why, one.kind, one] as const))(
        "%s: %s is %s",
        async (_service, _why, kind, { service, bytes, named, headers }) => {
          const answer = await sendRaw(service === "order" ? stack.orderUrl : stack.paymentUrl, ...bytes)
          const body = JSON.parse(answer.body)
          const { status, title } = problems[kind]
          expect([answer.status, body]).toEqual([
            status,
            {
              type: `urn:tandem:problem:${kind}`,
              title,
              status,
              detail: expect.stringMatching(/^[A-Z].*\.$/),
              ...("errors" in body ? { errors: expect.any(Array) } : {}),
            },
          ])
          expect(answer.headers).toMatchObject({
            ...headers,
            "content-type": "application/problem+json",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "content-security-policy": expect.stringContaining("frame-ancestors 'none'"),
          })
          if (named !== undefined) {
            const places = body.errors.map((error: Record<string, string>) => error["parameter"] ?? error["pointer"])
            expect([...places].sort()).toEqual([...named].sort())
          }
        },
      )
    })
  }

  it("are more than 200, and the services serve on", async () => {
    expect(Object.values(groups).flat().length).toBeGreaterThan(200)
    expect(stack.log.filter((line) => line.includes("Started App"))).toHaveLength(2)
    expect((await call("POST", `${stack.orderUrl}/orders?userId=served&amount=5`)).status).toBe(201)
    expect((await call("GET", `${stack.paymentUrl}/accounts/served`)).body["balance"]).toBeTypeOf("number")
    for (const url of [stack.orderUrl, stack.paymentUrl]) {
      expect((await call("GET", `${url}/health/ready`)).status).toBe(200)
    }
  })
})
