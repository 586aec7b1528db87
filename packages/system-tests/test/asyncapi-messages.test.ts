import { OrderAsyncApi } from "@tandem/contracts/asyncapi/OrderAsyncApi"
import { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import { Ajv } from "ajv"
import addFormats from "ajv-formats"
import { Arbitrary, Effect, FastCheck, type Schema } from "effect"
import { expect, it } from "vitest"

const validator = new Ajv({ strict: false, allErrors: true })
addFormats.default(validator)
validator.addSchema({ $id: "document", ...OrderAsyncApi })

const check = <A extends { readonly _tag: string }, I>(source: string, schema: Schema.Schema<A, I>) => {
  const { encode } = CloudEvents.make({ source, schema })
  for (const message of FastCheck.sample(Arbitrary.make(schema), 200)) {
    const { value, headers } = Effect.runSync(encode("topic", "1", message))
    const event: unknown = JSON.parse(new TextDecoder().decode(value ?? new Uint8Array()))
    const fits = validator.validate(`document#/components/schemas/${message._tag}Event`, event)
    expect([message, fits ? [] : validator.errors]).toEqual([message, []])
    expect(headers).toEqual({ "content-type": "application/cloudevents+json" })
  }
}

it("whatever a service sends is an event as its AsyncAPI document has it", () => {
  check("/tandem/order-service", PaymentRequest)
  check("/tandem/payment-service", PaymentResult)
})
