import { kafkaIsMissing } from "@tandem/dev-stack/TestKafka"
import { describe } from "vitest"
import { crash } from "./crash.js"

describe.skipIf(kafkaIsMissing())("crashes over Kafka", () => {
  crash("kafka", "order")
  crash("kafka", "payment")
})
