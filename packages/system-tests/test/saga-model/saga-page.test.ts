import { readFileSync } from "node:fs"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { cancellation, refund } from "@tandem/order-service/domain/OrderCommands"
import { transitions as orders } from "@tandem/order-service/domain/OrderSaga"
import { transitions as payments } from "@tandem/payment-service/domain/PaymentSaga"
import { expect, it } from "vitest"

const page = readFileSync(`${repository}/docs/saga.md`, "utf8").split("\n")

const cells = (line: string) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())

/** The table under the heading, as state → event → what happens. */
const table = (heading: string): Record<string, Record<string, string>> => {
  const start = page.findIndex((line, at) => at > page.indexOf(`## ${heading}`) && line.startsWith("|"))
  const end = page.findIndex((line, at) => at > start && !line.startsWith("|"))
  const [head = "", , ...rows] = page.slice(start, end)
  const [, ...events] = cells(head)
  return Object.fromEntries(
    rows.map((row) => {
      const [state = "", ...values] = cells(row)
      return [state, Object.fromEntries(events.map((event, at) => [event, values[at] ?? ""]))]
    }),
  )
}

it("what a payment does is what the page says", () => {
  expect(table("What a payment does")).toEqual(payments)
})

it("what an order does with an answer is what the page says", () => {
  expect(table("What an order does when it hears an answer")).toEqual(orders)
})

it("what an order does when it is asked is what the page says", () => {
  const states = Object.keys(cancellation) as ReadonlyArray<keyof typeof cancellation>
  expect(table("What an order does when it is asked")).toEqual(
    Object.fromEntries(states.map((state) => [state, { cancellation: cancellation[state], refund: refund[state] }])),
  )
})
