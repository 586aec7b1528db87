import { expect, it, layer } from "@effect/vitest"
import { ServiceUnavailable } from "@tandem/contracts/http/Errors"
import type { InvalidField, ProblemKind } from "@tandem/contracts/Problem"
import { Overloaded } from "@tandem/service-kit/GroupCommit"
import { unavailable } from "@tandem/service-kit/Problems"
import { Cause, Effect, Exit } from "effect"
import { expectGuarded, expectProblem } from "./expectProblem.js"
import { sqlError } from "./SampleApi.js"
import { type Ask, ask, Sample, serve } from "./server.js"

const json = { "content-type": "application/json" }
const key = (value: string) => ({ headers: { "idempotency-key": value } })

interface Case {
  readonly why: string
  readonly path: string
  readonly ask?: Ask
  readonly kind: ProblemKind
  readonly errors?: ReadonlyArray<Partial<InvalidField>>
  readonly headers?: Readonly<Record<string, string>>
}

const cases: ReadonlyArray<Case> = [
  { why: "an unknown path", path: "/nowhere", kind: "not-found" },
  { why: "a path that is no UTF-8", path: "/parcels/%ff/label", kind: "not-found" },
  { why: "an id longer than any", path: `/faults/${"x".repeat(200)}`, kind: "not-found" },
  { why: "any method on an unknown path", path: "/nowhere", ask: { method: "POST" }, kind: "not-found" },
  {
    why: "a method that an endpoint does not know",
    path: "/parcels",
    ask: { method: "DELETE" },
    kind: "method-not-allowed",
    headers: { allow: "GET, HEAD, POST, OPTIONS" },
  },
  {
    why: "a method that nobody knows",
    path: "/parcels",
    ask: { method: "PROPFIND" },
    kind: "method-not-allowed",
    headers: { allow: "GET, HEAD, POST, OPTIONS" },
  },
  {
    why: "a wrong method on a path with a parameter",
    path: "/parcels/17/label",
    kind: "method-not-allowed",
    headers: { allow: "PUT, OPTIONS" },
  },
  {
    why: "a wrong method on a plain route",
    path: "/plain",
    ask: { method: "POST" },
    kind: "method-not-allowed",
    headers: { allow: "GET, HEAD, OPTIONS" },
  },
  {
    why: "a wrong method on a prefixed route",
    path: "/shop/basket",
    kind: "method-not-allowed",
    headers: { allow: "POST, OPTIONS" },
  },
  {
    why: "a wrong method on the documentation",
    path: "/openapi.json",
    ask: { method: "PATCH" },
    kind: "method-not-allowed",
    headers: { allow: "GET, HEAD, OPTIONS" },
  },
  {
    why: "a missing parameter",
    path: "/parcels",
    kind: "invalid-request",
    errors: [{ parameter: "userId", detail: "is missing" }],
  },
  {
    why: "several wrong parameters, all of them",
    path: `/parcels?userId=&kind=${encodeURIComponent("<script>")}&limit=201&weight=heavy`,
    kind: "invalid-request",
    errors: [
      { parameter: "userId", detail: "must be 1 to 64 letters, digits, underscores or hyphens" },
      { parameter: "kind", detail: 'must be "box" or "bag"' },
      { parameter: "limit", detail: "must be an integer between 1 and 200" },
      { parameter: "weight", detail: "must be a number" },
    ],
  },
  {
    why: "a repeated parameter",
    path: "/parcels?userId=1&userId=1",
    kind: "invalid-request",
    errors: [{ parameter: "userId", detail: "must be given once" }],
  },
  ...["0", "-1", "201", "007", "1e2", "+5", "%2B5", "1.0", "0x10", "five", "", "%20", "99999999999999999999"].map(
    (limit): Case => ({
      why: `limit=${limit}`,
      path: `/parcels?userId=1&limit=${limit}`,
      kind: "invalid-request",
      errors: [{ parameter: "limit" }],
    }),
  ),
  {
    why: "a wrong header",
    path: "/parcels?userId=1",
    ask: key("x".repeat(9)),
    kind: "invalid-request",
    errors: [{ parameter: "idempotency-key" }],
  },
  {
    why: "a body of the wrong shape",
    path: "/parcels/17/label",
    ask: { method: "PUT", headers: json, body: JSON.stringify({ text: 5, size: "XL" }) },
    kind: "invalid-request",
    errors: [
      { pointer: "/text", detail: "must be a string" },
      { pointer: "/size", detail: 'must be "S" or "L"' },
    ],
  },
  {
    why: "a body that is not JSON",
    path: "/parcels/17/label",
    ask: { method: "PUT", headers: json, body: "{" },
    kind: "malformed-json",
  },
  {
    why: "a body of another type",
    path: "/parcels/17/label",
    ask: { method: "PUT", headers: { "content-type": "text/plain" }, body: "hello" },
    kind: "unsupported-media-type",
  },
  {
    why: "no body where one must be",
    path: "/parcels/17/label",
    ask: { method: "PUT" },
    kind: "invalid-request",
    errors: [{ pointer: "", detail: "must be an object" }],
  },
  {
    why: "a body whose length is too large",
    path: "/parcels/17/label",
    ask: { method: "PUT", headers: json, body: "x".repeat(65_537) },
    kind: "payload-too-large",
    headers: { connection: "close" },
  },
  { why: "a declared failure", path: "/faults/declared", kind: "order-not-found" },
  { why: "a declared failure of a plain route", path: "/plain/declared", kind: "order-not-found" },
  {
    why: "a database that is gone",
    path: "/faults/gone",
    kind: "service-unavailable",
    headers: { "retry-after": "1" },
  },
  { why: "a commit that failed", path: "/faults/commit", kind: "service-unavailable", headers: { "retry-after": "1" } },
  {
    why: "a handler that was interrupted",
    path: "/faults/interrupted",
    kind: "service-unavailable",
    headers: { "retry-after": "1" },
  },
  { why: "a constraint that our statement broke", path: "/faults/constraint", kind: "internal-error" },
  { why: "a defect", path: "/faults/defect", kind: "internal-error" },
  { why: "a response that does not fit its schema", path: "/faults/unfit", kind: "internal-error" },
  { why: "an undeclared failure of a plain route", path: "/plain/failed", kind: "internal-error" },
  { why: "a bare error status", path: "/plain/missing", kind: "not-found" },
  { why: "an error status with words of its own", path: "/plain/broken", kind: "internal-error" },
  { why: "a target that is too long", path: `/parcels?userId=${"1".repeat(8_200)}`, kind: "uri-too-long" },
]

layer(Sample.layer, { excludeTestServices: true })(
  "every error is a problem that says what is wrong, and no more",
  (it) => {
    for (const { why, path, ask: how, kind, errors, headers } of cases) {
      it.effect(`${why}: ${kind}`, () =>
        Effect.gen(function* () {
          const { port } = yield* Sample
          const answer = yield* ask(port, path, how)
          expectProblem(answer, kind, errors)
          expect(answer.headers).toMatchObject(headers ?? {})
        }),
      )
    }
  },
)

it.scopedLive("only who sends a trace along gets a span", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    expect((yield* ask(port, "/plain/trace")).text).toBe("none")
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    const traced = yield* ask(port, "/plain/trace", { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` } })
    expect(traced.text).toBe(trace)
  }),
)

it.scopedLive("a raw endpoint whose answer does not fit is our fault, though its body was read", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const headers = { "content-type": "application/json" }
    const body = '{"userId":"unfit","amount":500}'
    expectProblem(yield* ask(port, "/parcels", { method: "POST", headers, body }), "internal-error")
    expectProblem(yield* ask(port, "/parcels?userId=unfit&amount=500", { method: "POST" }), "internal-error")
  }),
)

it.effect(
  "a technical fault is the contract's 503, any other fault of SQL is a bug, and other failures stay as they are",
  () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(unavailable(Effect.fail(sqlError(undefined))))).toBeInstanceOf(ServiceUnavailable)
      expect(yield* Effect.flip(unavailable(Effect.fail(sqlError("40P01"))))).toBeInstanceOf(ServiceUnavailable)
      const overloaded = new Overloaded({ name: "parcels", waiting: 10_000 })
      expect(yield* Effect.flip(unavailable(Effect.fail(overloaded)))).toBeInstanceOf(ServiceUnavailable)
      const bug = yield* Effect.exit(unavailable(Effect.fail(sqlError("23505"))))
      expect(Exit.isFailure(bug) && Cause.isDie(bug.cause)).toBe(true)
      expect(yield* Effect.flip(unavailable(Effect.fail("other")))).toBe("other")
    }),
)

it.scopedLive("HEAD answers as GET does, without the body", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    for (const path of ["/plain", "/parcels?userId=1", "/health/live", "/parcels", "/nowhere"]) {
      const get = yield* ask(port, path)
      const head = yield* ask(port, path, { method: "HEAD" })
      expect(head.text).toBe("")
      const varying = { date: "", "x-request-id": "" }
      expect({ ...head.headers, ...varying }).toEqual({ ...get.headers, ...varying })
      expect(head.status).toBe(get.status)
    }
  }),
)

it.scopedLive("OPTIONS tells what a path knows", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const answer = yield* ask(port, "/parcels", { method: "OPTIONS" })
    expect(answer.status).toBe(204)
    expect(answer.headers["allow"]).toBe("GET, HEAD, POST, OPTIONS")
    expectProblem(yield* ask(port, "/nowhere", { method: "OPTIONS" }), "not-found")
    const whole = yield* ask(port, "*", { method: "OPTIONS" })
    expect([whole.status, whole.headers["allow"]]).toEqual([204, "GET, HEAD, POST, PUT, OPTIONS"])
  }),
)

it.scopedLive("the documentation stands by itself and allows no script but its own", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const document = JSON.parse((yield* ask(port, "/openapi.json")).text)
    expect(document.openapi).toBe("3.1.0")
    expect(JSON.stringify(document)).not.toContain("HttpApiDecodeError")
    const entrance = yield* ask(port, "/swagger-ui")
    expect([entrance.status, entrance.headers["location"]]).toEqual([302, "/swagger-ui/index.html"])
    expect((yield* ask(port, "/swagger-ui/")).status).toBe(302)
    for (const path of ["/swagger-ui/index.html", "/docs"]) {
      const page = yield* ask(port, path)
      expect(page.status).toBe(200)
      expect(page.headers["content-type"]).toContain("text/html")
      expectGuarded(page)
      const policy = String(page.headers["content-security-policy"])
      expect(policy).toMatch(/script-src 'sha256-[^;]*;/)
      expect(policy).not.toMatch(/'unsafe-eval'|script-src[^;]*unsafe-inline|https?:/)
      expect(page.text).not.toMatch(/<(script|link|img)[^>]+(src|href)="?https?:/)
    }
    expect((yield* ask(port, "/docs")).text).toContain('"withDefaultFonts":false')
  }),
)
