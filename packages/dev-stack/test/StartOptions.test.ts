import { UsageRefusal } from "@tandem/dev-stack/Processes"
import { readStartOptions, usage } from "@tandem/dev-stack/StartOptions"
import { describe, expect, it } from "vitest"

describe("the options of npm start", () => {
  it("have defaults", () => {
    expect(readStartOptions([])).toEqual({
      help: false,
      fresh: false,
      auth: false,
      broker: "postgres",
      orderPort: 8080,
      paymentPort: 8081,
    })
  })

  it.each([
    [["--kafka"], { broker: "kafka" }],
    [["--kafka=h:9092"], { broker: "kafka", kafkaBrokers: "h:9092" }],
    [["--kafka=a.b-c:1,d:2"], { broker: "kafka", kafkaBrokers: "a.b-c:1,d:2" }],
    [["--fresh", "--kafka"], { broker: "kafka", fresh: true }],
    [
      ["--order-port", "9000", "--payment-port=9001", "--postgres-port", "9002"],
      { orderPort: 9000, paymentPort: 9001, postgresPort: 9002 },
    ],
    [["--auth"], { auth: true }],
    [["--state", "/somewhere"], { state: "/somewhere" }],
    [["--help"], { help: true }],
  ])("understand %j", (parameters, expected) => {
    expect(readStartOptions(parameters)).toMatchObject(expected)
  })

  it.each([
    [["--nonsense"], /--nonsense/],
    [["nonsense"], /nonsense/],
    [["--order-port", "0"], /--order-port/],
    [["--order-port", "65536"], /--order-port/],
    [["--payment-port", "8o81"], /8o81/],
    [["--postgres-port"], /postgres-port/],
    [["--kafka="], /--kafka/],
    [["--kafka=localhost"], /localhost/],
    [["--kafka", "--kafka=h:1"], /--kafka/],
    [["--fresh=yes"], /fresh/],
  ])("refuse %j in one sentence", (parameters, expected) => {
    const read = () => readStartOptions(parameters)
    expect(read).toThrow(UsageRefusal)
    expect(read).toThrow(expected)
    expect(read).not.toThrow(/\n/)
  })

  it("are all in the help", () => {
    for (const option of ["kafka", "auth", "fresh", "order-port", "payment-port", "postgres-port", "state", "help"]) {
      expect(usage).toContain(`--${option}`)
    }
  })
})
