import { OpenApi } from "@effect/platform"
import { createConfig, lintFromString } from "@redocly/openapi-core"
import { Account, TopUp, TransferPage } from "@tandem/contracts/http/AccountsApi"
import { NotificationPage } from "@tandem/contracts/http/NotificationsApi"
import { examples } from "@tandem/contracts/http/OpenApiExamples"
import type { Document, Operation, Response } from "@tandem/contracts/http/OpenApiModel"
import { OrderApi } from "@tandem/contracts/http/OrderApi"
import { NoFields, Order, OrderHistory, OrderPage, PlaceOrder } from "@tandem/contracts/http/OrdersApi"
import { PaymentApi } from "@tandem/contracts/http/PaymentApi"
import { Payment } from "@tandem/contracts/http/PaymentsApi"
import { PushTicket } from "@tandem/contracts/http/TicketsApi"
import { Schema } from "effect"
import { describe, expect, it } from "vitest"

const documents: ReadonlyArray<readonly [name: string, document: Document]> = [
  // As it is read over HTTP.
  ["order service", JSON.parse(JSON.stringify(OpenApi.fromApi(OrderApi)))],
  ["payment service", JSON.parse(JSON.stringify(OpenApi.fromApi(PaymentApi)))],
]

/** Findings that are as they should be: an opened WebSocket is 101, and nothing else. */
const meant = ["operation-2xx-response #/paths/~1ws/get/responses"]

const operations = ({ paths = {} }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
  )

/** A response of an operation, a shared one as well. */
const responseOf = (document: Document, operation: Operation, status: string): Response | undefined => {
  const response = operation.responses?.[status]
  return response !== undefined && "$ref" in response
    ? document.components?.responses?.[response.$ref.replace("#/components/responses/", "")]
    : response
}

describe.each(documents)("the OpenAPI document of the %s", (_name, document) => {
  it("follows the recommended rules of Redocly", async () => {
    const config = await createConfig({ extends: ["recommended"] })
    const problems = await lintFromString({ source: JSON.stringify(document), absoluteRef: "openapi.json", config })
    const found = problems.map(({ ruleId, location }) => `${ruleId} ${location[0]?.pointer}`)
    expect(found.filter((finding) => !meant.includes(finding))).toEqual([])
  })

  it("gives every operation a name for clients, a summary, a known tag and a description of each success", () => {
    const names = new Set<string>()
    const tags = document.tags?.map(({ name }) => name)
    for (const { name, operation } of operations(document)) {
      expect([name, operation.operationId]).toEqual([name, expect.stringMatching(/^[a-z][A-Za-z]+$/)])
      expect([name, operation.summary]).toEqual([name, expect.stringMatching(/^[A-Z].*[^.]$/)])
      expect([name, tags]).toEqual([name, expect.arrayContaining([...(operation.tags ?? ["none"])])])
      names.add(operation.operationId ?? "")
      for (const [status, response] of Object.entries(operation.responses ?? {})) {
        if (Number(status) < 400 && "description" in response) expect(response.description).toMatch(/ /)
      }
      for (const parameter of operation.parameters ?? []) {
        expect([name, parameter.name, parameter.description]).toEqual([name, parameter.name, expect.any(String)])
      }
      if (operation.requestBody !== undefined) expect(operation.requestBody.required).toBe(false)
    }
    expect(names.size).toBe(operations(document).length)
  })

  it("lists what every operation can answer, each error as a problem with an example", () => {
    for (const { name, path, operation } of operations(document)) {
      const statuses = Object.keys(operation.responses ?? {})
      const everywhere = ["400", "403", "413", "414", "429", "431", "500", "503"]
      expect([name, statuses]).toEqual([name, expect.arrayContaining(everywhere)])
      expect([name, statuses.includes("404")]).toEqual([
        name,
        path.includes("{") || operation.tags?.[0] === "push" || isList(operation),
      ])
      expect([name, statuses.includes("415")]).toEqual([name, operation.requestBody !== undefined])
      expect([name, statuses.includes("401")]).toEqual([name, operation.tags?.[0] !== "operations"])
      for (const status of statuses.filter((status) => Number(status) >= 400)) {
        const problem = responseOf(document, operation, status)?.content?.["application/problem+json"]
        expect([name, status, problem]).toEqual([name, status, expect.objectContaining({ schema: expect.any(Object) })])
        expect(problem?.example ?? problem?.examples).toBeDefined()
      }
      const headers = (status: string) => Object.keys(responseOf(document, operation, status)?.headers ?? {})
      for (const status of ["429", "503"]) expect(headers(status)).toContain("Retry-After")
      expect(headers("429")).toContain("RateLimit")
      if (statuses.includes("201") && statuses.includes("409")) expect(headers("201")).toContain("Location")
      if (statuses.includes("422")) {
        expect(operation.parameters?.map((parameter) => parameter.name)).toContain("Idempotency-Key")
        expect(headers(statuses.find((status) => status.startsWith("2")) ?? "")).toContain("Idempotent-Replayed")
      }
      if (statuses.includes("304")) {
        expect(operation.parameters?.map((parameter) => parameter.name)).toContain("If-None-Match")
        expect([headers("200"), headers("304")]).toEqual([headers("304"), expect.arrayContaining(["ETag"])])
      }
    }
  })

  it("shows an example of every JSON body", () => {
    for (const { name, operation } of operations(document)) {
      if (operation.tags?.[0] === "operations") continue
      const bodies = [operation.requestBody, ...Object.values(operation.responses ?? {})]
      for (const body of bodies) {
        const entry = body !== undefined && "content" in body ? body.content?.["application/json"] : undefined
        if (entry !== undefined) expect([name, entry.example]).toEqual([name, expect.any(Object)])
      }
    }
  })
})

/** Somebody else's list is not there. */
const isList = ({ operationId = "" }: Operation) => operationId.startsWith("list")

describe("the examples", () => {
  const schemas: Readonly<Record<string, Schema.Schema.AnyNoContext>> = {
    Account,
    NoFields,
    NotificationPage,
    Order,
    OrderHistory,
    OrderPage,
    Payment,
    PlaceOrder,
    PushTicket,
    TopUp,
    TransferPage,
  }

  it.each(Object.entries(examples))("fit their schema: %s", (name, example) => {
    const schema = schemas[name]
    if (schema === undefined) throw new Error(`${name} is the example of nothing`)
    expect(Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(example)).toBeDefined()
  })
})
