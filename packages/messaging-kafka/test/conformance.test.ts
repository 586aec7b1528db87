import { kafkaIsMissing, sharedKafka } from "@tandem/dev-stack/TestKafka"
import { Broker } from "@tandem/messaging/Broker"
import { brokerConformance } from "@tandem/messaging/testing/BrokerConformance"
import * as KafkaBroker from "@tandem/messaging-kafka/KafkaBroker"
import { Context, Effect, Layer } from "effect"

const skip = kafkaIsMissing()
const brokers = skip ? "" : await sharedKafka()

for (const client of ["kafkajs", "platformatic"] as const) {
  brokerConformance(`KafkaBroker with ${client}`, {
    connect: Effect.map(
      Layer.build(Layer.fresh(KafkaBroker.layer({ client, brokers: [brokers], clientId: "conformance" }))),
      Context.get(Broker),
    ),
    skip,
    sessionMs: 12_000,
  })
}
