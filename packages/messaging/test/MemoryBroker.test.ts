import * as MemoryBroker from "@tandem/messaging/MemoryBroker"
import { brokerConformance } from "@tandem/messaging/testing/BrokerConformance"
import { Effect } from "effect"

const cluster = Effect.runSync(MemoryBroker.cluster)

brokerConformance("MemoryBroker", { connect: cluster, sessionMs: 0 })
