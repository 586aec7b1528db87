import { PaymentAsyncApi } from "@tandem/contracts/asyncapi/PaymentAsyncApi"
import { PaymentApi } from "@tandem/contracts/http/PaymentApi"
import { topics } from "@tandem/contracts/messages/Topics"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import * as Retention from "@tandem/messaging/Retention"
import * as Topics from "@tandem/messaging/Topics"
import * as KafkaBroker from "@tandem/messaging-kafka/KafkaBroker"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import * as BrokerHealth from "@tandem/service-kit/BrokerHealth"
import * as Database from "@tandem/service-kit/Database"
import * as HttpService from "@tandem/service-kit/HttpService"
import * as IdempotencyRetention from "@tandem/service-kit/idempotency/IdempotencyRetention"
import { idempotencySchema } from "@tandem/service-kit/idempotency/idempotencySchema"
import type { ServiceConfig } from "@tandem/service-kit/ServiceConfig"
import * as ServiceMain from "@tandem/service-kit/ServiceMain"
import { Layer } from "effect"
import { config } from "./config.js"
import { AccountsRoutes } from "./http/AccountsRoutes.js"
import { PaymentsRoutes } from "./http/PaymentsRoutes.js"
import { PaymentRequestsConsumer } from "./messages/PaymentRequestsConsumer.js"
import { ledgerSchema, paymentSchema } from "./sql/migrations/payments.js"

const name = "payment-service"

const broker = ({ brokerUrl, kafkaClient }: ServiceConfig) =>
  brokerUrl._tag === "Kafka"
    ? KafkaBroker.layer({ client: kafkaClient, brokers: brokerUrl.brokers, clientId: name })
    : PostgresBroker.layer({ url: brokerUrl.url })

ServiceMain.run({
  name,
  config,
  app: ({ service }) =>
    Layer.mergeAll(
      HttpService.layer({
        api: PaymentApi,
        asyncApi: PaymentAsyncApi,
        routes: Layer.merge(AccountsRoutes, PaymentsRoutes),
      }),
      PaymentRequestsConsumer,
      Relay.layer(),
      Database.maintained(Layer.merge(Retention.layer({ inbox: service.inboxRetention }), IdempotencyRetention.layer)),
      Topics.layer(topics),
      BrokerHealth.layer,
    ).pipe(
      Layer.provide(Outbox.layer),
      Layer.provide(broker(service)),
      Layer.provide(
        Database.layer({ url: service.databaseUrl, applicationName: name, maxConnections: service.databasePoolSize }, [
          messagingSchema,
          idempotencySchema,
          ledgerSchema,
          paymentSchema,
        ]),
      ),
    ),
})
