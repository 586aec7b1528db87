import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startKafka } from "@tandem/dev-stack/Kafka"
import { freePort } from "@tandem/dev-stack/Processes"
import { jarsDirectory } from "@tandem/dev-stack/StateDirectory"
import { kafkaIsMissing, sharedKafka } from "@tandem/dev-stack/TestKafka"
import { Broker } from "@tandem/messaging/Broker"
import { brokerConformance, LeftOut } from "@tandem/messaging/testing/BrokerConformance"
import * as FreezableLink from "@tandem/messaging/testing/FreezableLink"
import * as KafkaBroker from "@tandem/messaging-kafka/KafkaBroker"
import { Context, Effect, Layer } from "effect"

const skip = kafkaIsMissing()
const shared = skip ? "" : await sharedKafka()

const connect = (client: KafkaBroker.KafkaClient, brokers: string) =>
  Effect.map(
    Layer.build(Layer.fresh(KafkaBroker.layer({ client, brokers: [brokers], clientId: "conformance" }))),
    Context.get(Broker),
  )

/** A Kafka with a second address behind a link: a client that comes there is sent there again for each partition and group. */
const freezable = (client: KafkaBroker.KafkaClient) =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(() => freePort())
    const link = yield* FreezableLink.make({ host: "127.0.0.1", port })
    const directory = mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "kafka-frozen-"))
    const kafka = yield* Effect.acquireRelease(
      Effect.promise(() =>
        startKafka({ directory, jars: jarsDirectory, proxied: { port, advertisedPort: link.port } }),
      ),
      (running) =>
        Effect.promise(() => running.kill9()).pipe(
          Effect.zipRight(Effect.sync(() => rmSync(directory, { recursive: true }))),
        ),
    )
    return {
      connect: connect(client, kafka.brokers),
      connectFreezable: connect(client, `127.0.0.1:${link.port}`),
      freeze: link.freeze,
      thaw: link.thaw,
    }
  })

for (const client of ["kafkajs", "platformatic"] as const) {
  brokerConformance(`KafkaBroker with ${client}`, {
    connect: connect(client, shared),
    skip,
    sessionMs: 12_000,
    restartable: new LeftOut("outage.test.ts kills one Kafka under both clients"),
    freezable: freezable(client),
  })
}
