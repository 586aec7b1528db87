import { describe, expect, it, layer } from "@effect/vitest"
import { AmountFromText } from "@tandem/contracts/Amount"
import { PlaceOrder } from "@tandem/contracts/http/OrdersApi"
import { readPlainCommand } from "@tandem/contracts/PlainCommand"
import { UserId } from "@tandem/contracts/UserId"
import { Effect, FastCheck, Schema } from "effect"
import { expectGuarded, expectProblem } from "./expectProblem.js"
import { type Ask, ask, Sample } from "./server.js"

const plain = "/express?userId=1&amount=5"

layer(Sample.layer)("a direct route", (it) => {
  it.effect("answers what it reads, with the headers that every answer has", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      const answer = yield* ask(port, plain, { method: "POST" })
      expect([answer.status, JSON.parse(answer.text)]).toEqual([201, "direct "])
      expect(answer.headers).toMatchObject({ location: "/express/1", "content-type": "application/json" })
      expect(answer.headers).not.toHaveProperty("idempotent-replayed")
      expectGuarded(answer)
      const again = yield* ask(port, plain, { method: "POST", headers: { "idempotency-key": "again" } })
      expect([JSON.parse(again.text), again.headers["idempotent-replayed"]]).toEqual(["direct again", "true"])
    }),
  )

  const left: ReadonlyArray<readonly [why: string, path: string, ask?: Ask]> = [
    ["another order of parameters", "/express?amount=5&userId=1"],
    ["an escaped letter", "/express?userId=%31&amount=5"],
    ["a parameter that comes twice", "/express?userId=1&amount=5&amount=5"],
    ["no query", "/express"],
    ["a body", plain, { headers: { "content-type": "application/json" }, body: "{}" }],
    ["a body in parts", plain, { headers: { "content-type": "application/json" }, body: ["{", "}"] }],
    ["a trace", plain, { headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } }],
    ["a key with a comma, which two headers look like", plain, { headers: { "idempotency-key": "a, b" } }],
    ["a key that is none", plain, { headers: { "idempotency-key": "x".repeat(256) } }],
  ]
  it.effect.each(left)("leaves to the router: %s", ([, path, how]) =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      expect((yield* ask(port, path, { ...how, method: "POST" })).text).toBe("router")
    }),
  )

  it.effect("answers a read of one thing, and leaves to the router every other way to ask for it", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      const answer = yield* ask(port, "/express/7")
      expect([answer.status, JSON.parse(answer.text), answer.headers["etag"]]).toEqual([200, "direct 7", '"1"'])
      expectGuarded(answer)
      expectProblem(yield* ask(port, "/express/gone"), "order-not-found")
      const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }
      for (const [path, how] of [
        ["/express/unread", {}],
        ["/express/7?", {}],
        ["/express/7/", {}],
        ["/express/7", { headers: { "if-none-match": '"1"' } }],
        ["/express/7", { headers: trace }],
        ["/express/7", { headers: { "content-type": "application/json", "content-length": "2" }, body: "{}" }],
      ] as ReadonlyArray<[string, Ask]>) {
        expect([path, how, (yield* ask(port, path, how)).text]).toEqual([path, how, "router"])
      }
      expect((yield* ask(port, "/express/7", { method: "HEAD" })).headers).not.toHaveProperty("etag")
    }),
  )

  it.effect("has its faults answered as any endpoint has", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      const gone = yield* ask(port, "/express?userId=gone&amount=5", { method: "POST" })
      expectProblem(gone, "service-unavailable")
      expect(gone.headers["retry-after"]).toBe("1")
      expectProblem(yield* ask(port, "/express?userId=declared&amount=5", { method: "POST" }), "order-not-found")
      expectProblem(yield* ask(port, "/express?userId=bug&amount=5", { method: "POST" }), "internal-error")
    }),
  )
})

describe("readPlainCommand", () => {
  const Command = Schema.Struct({ userId: UserId, amount: AmountFromText })
  const piece = (least: number, characters: ReadonlyArray<string>) =>
    FastCheck.array(FastCheck.constantFrom(...characters), { minLength: least, maxLength: 14 }).map((all) =>
      all.join(""),
    )
  const queries = FastCheck.record({
    userId: piece(0, [..."abcXYZ019_-", ..."abcXYZ019_-", "%31", "+", "é", "&", "="]),
    amount: piece(0, [..."0123456789", ..."0123456789", "000000", "e", "+", "."]),
  }).map(({ userId, amount }) => `userId=${userId}&amount=${amount}`)

  it("reads nothing that the commands' schemas would not read alike", () => {
    let read = 0
    FastCheck.assert(
      FastCheck.property(queries, (query) => {
        const command = readPlainCommand(query)
        if (command === undefined) return
        read++
        const parameters = new URLSearchParams(query)
        expect([...parameters.keys()]).toEqual(["userId", "amount"])
        expect(Schema.decodeUnknownSync(Command)(Object.fromEntries(parameters))).toEqual(command)
        expect(() => new PlaceOrder(command)).not.toThrow()
      }),
      { numRuns: 2_000 },
    )
    expect(read).toBeGreaterThan(20)
  })
})
