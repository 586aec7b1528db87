import * as OpenApi from "@effect/platform/OpenApi"
import { OrderAsyncApi } from "./asyncapi/OrderAsyncApi.js"
import { PaymentAsyncApi } from "./asyncapi/PaymentAsyncApi.js"
import { OrderApi } from "./http/OrderApi.js"
import { PaymentApi } from "./http/PaymentApi.js"

/** Every document that describes the services to others, by the name of its file: exactly what they serve. */
export const specifications = (): Readonly<Record<string, object>> => ({
  "order-service.openapi.json": OpenApi.fromApi(OrderApi),
  "payment-service.openapi.json": OpenApi.fromApi(PaymentApi),
  "order-service.asyncapi.json": OrderAsyncApi,
  "payment-service.asyncapi.json": PaymentAsyncApi,
})

/** A document as its file has it. */
export const specificationText = (document: object): string => `${JSON.stringify(document, undefined, 2)}\n`
