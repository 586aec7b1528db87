import { kafkaIsMissing } from "@tandem/dev-stack/TestKafka"
import { describe } from "vitest"
import { scenario } from "./scenario.js"

describe.skipIf(kafkaIsMissing())("the scenario over Kafka through the faster client", () => {
  scenario("kafka", "platformatic")
})
