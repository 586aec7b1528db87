import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createConfig, lintFromString } from "@redocly/openapi-core"
import { type Described, frames, topicMessages } from "@tandem/contracts/asyncapi/AsyncApiMessages"
import { OrderAsyncApi } from "@tandem/contracts/asyncapi/OrderAsyncApi"
import { PaymentAsyncApi } from "@tandem/contracts/asyncapi/PaymentAsyncApi"
import { PaymentRequest, PaymentResult, topics } from "@tandem/contracts/messages/Topics"
import { Frame } from "@tandem/contracts/push/Frame"
import { Ajv, type Options } from "ajv"
import addFormats from "ajv-formats"
import { Schema } from "effect"
import { describe, expect, it } from "vitest"

interface AsyncApi {
  readonly channels: Readonly<
    Record<string, { readonly address: string; readonly messages: Readonly<Record<string, unknown>> }>
  >
  readonly operations: Readonly<
    Record<string, { readonly action: string; readonly channel: { readonly $ref: string } }>
  >
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>
    readonly messages: Readonly<
      Record<
        string,
        { readonly payload: { readonly $ref: string }; readonly examples: ReadonlyArray<{ readonly payload: object }> }
      >
    >
  }
}

const read = (document: object): AsyncApi => JSON.parse(JSON.stringify(document))

const documents = [
  ["order service", read(OrderAsyncApi)],
  ["payment service", read(PaymentAsyncApi)],
] as const

const ajv = (options: Options = {}) => {
  const validator = new Ajv({ strict: false, allErrors: true, ...options })
  addFormats.default(validator)
  return validator
}

const specification: object = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve("@asyncapi/specs/schemas/3.0.0.json"), "utf8"),
)

describe.each(documents)("the AsyncAPI document of the %s", (_name, document) => {
  it("is one of AsyncAPI 3.0, by its JSON Schema", () => {
    // It brings the meta-schema that it is written in.
    const validate = ajv({ meta: false, validateSchema: false }).compile(specification)
    expect(validate(document) ? [] : validate.errors).toEqual([])
  })

  it("follows the recommended rules of Redocly; who may reach the broker is its operator's to say", async () => {
    const config = await createConfig({ extends: ["recommended"], rules: { "security-defined": "off" } })
    const problems = await lintFromString({ source: JSON.stringify(document), absoluteRef: "asyncapi.json", config })
    expect(problems.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([])
  })

  it("has an example of each message that fits it", () => {
    const validator = ajv().addSchema({ $id: "document", ...document })
    for (const [name, { payload, examples }] of Object.entries(document.components.messages)) {
      for (const example of examples) {
        const fits = validator.validate(`document${payload.$ref}`, example.payload)
        expect([name, fits ? [] : validator.errors]).toEqual([name, []])
      }
    }
  })
})

/** The `_tag` or `type` of each member of a union. */
const namesOf = (union: { readonly members: ReadonlyArray<unknown> }) =>
  union.members.map((member) => String(Object(member).identifier ?? Schema.make(Object(member).ast))).sort()

describe("what the documents list", () => {
  const all: Readonly<Record<string, Described>> = Object.assign(
    { ...frames },
    ...Object.values(topicMessages).map(({ messages }) => messages),
  )

  it("is every topic and every message that is sent there, and every frame", () => {
    expect(Object.keys(topicMessages)).toEqual(topics.map(({ name }) => name))
    const listed = (topic: string) => Object.keys(topicMessages[topic]?.messages ?? {}).sort()
    expect(listed("payment-requests")).toEqual(namesOf(PaymentRequest))
    expect(listed("payment-results")).toEqual(namesOf(PaymentResult))
    expect(Object.values(frames).map(({ schema }) => schema)).toEqual(Frame.members)
  })

  it("is sent by one service and received by the other", () => {
    const actions = (document: AsyncApi) =>
      Object.values(document.operations)
        .filter(({ channel }) => channel.$ref !== "#/channels/notifications")
        .map(({ action, channel }) => `${action} ${channel.$ref}`)
        .sort()
    const [[, order], [, payment]] = documents
    const opposite = (action: string) =>
      action.startsWith("send") ? action.replace("send", "receive") : action.replace("receive", "send")
    expect(actions(payment)).toEqual(actions(order).map(opposite).sort())
    expect(Object.keys(order.channels)).toEqual([...topics.map(({ name }) => name), "notifications"])
  })

  it.each(Object.entries(all))("has an example that its schema reads: %s", (name, { schema, example }) => {
    const tagged = "type" in example ? example : { ...example, _tag: name }
    expect(Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(tagged)).toBeDefined()
  })
})
