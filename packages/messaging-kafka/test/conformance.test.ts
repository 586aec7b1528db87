import { kafkaIsMissing, sharedKafka } from "@tandem/dev-stack/TestKafka"
import { Broker } from "@tandem/messaging/Broker"
import { brokerConformance } from "@tandem/messaging/testing/BrokerConformance"
import * as KafkajsBroker from "@tandem/messaging-kafka/KafkajsBroker"
import { Context, Effect, Layer } from "effect"

const skip = kafkaIsMissing()
const brokers = skip ? "" : await sharedKafka()

brokerConformance("KafkajsBroker", {
  connect: Effect.map(
    Layer.build(Layer.fresh(KafkajsBroker.layer({ brokers: [brokers], clientId: "conformance" }))),
    Context.get(Broker),
  ),
  skip,
  sessionMs: 12_000,
})
