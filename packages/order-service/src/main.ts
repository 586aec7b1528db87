import { OrderAsyncApi } from "@tandem/contracts/asyncapi/OrderAsyncApi"
import { OrderApi } from "@tandem/contracts/http/OrderApi"
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
import { NotificationsRoutes } from "./http/NotificationsRoutes.js"
import { OrdersRoutes } from "./http/OrdersRoutes.js"
import { PageRoutes } from "./http/PageRoutes.js"
import { StreamRoutes } from "./http/StreamRoutes.js"
import { TicketsRoutes } from "./http/TicketsRoutes.js"
import { PaymentResultsConsumer } from "./messages/PaymentResultsConsumer.js"
import * as Unanswered from "./messages/Unanswered.js"
import { Instances } from "./push/Instances.js"
import { PushHub } from "./push/PushHub.js"
import { orderSchema } from "./sql/migrations/orders.js"
import { pushSchema } from "./sql/migrations/push.js"
import { ticketSchema } from "./sql/migrations/tickets.js"
import * as NotificationRetention from "./sql/NotificationRetention.js"
import { Notifications } from "./sql/Notifications.js"

const name = "order-service"

const broker = ({ brokerUrl, kafkaClient }: ServiceConfig) =>
  brokerUrl._tag === "Kafka"
    ? KafkaBroker.layer({ client: kafkaClient, brokers: brokerUrl.brokers, clientId: name })
    : PostgresBroker.layer({ url: brokerUrl.url })

ServiceMain.run({
  name,
  config,
  app: ({ service, page, paymentTimeout, notificationRetention }) =>
    Layer.mergeAll(
      HttpService.layer({
        api: OrderApi,
        asyncApi: OrderAsyncApi,
        routes: Layer.mergeAll(OrdersRoutes, NotificationsRoutes, StreamRoutes, TicketsRoutes, PageRoutes(page)),
        upgradePaths: ["/ws"],
      }),
      PaymentResultsConsumer,
      Unanswered.layer(paymentTimeout),
      // Orders come one by one. What shares a batch here shares the transactions and batches of everything behind it.
      Relay.layer({ rest: 2 }),
      Database.maintained(
        Layer.mergeAll(
          Retention.layer({ inbox: service.inboxRetention }),
          IdempotencyRetention.layer,
          NotificationRetention.layer(notificationRetention),
        ),
      ),
      Topics.layer(topics),
      BrokerHealth.layer,
    ).pipe(
      Layer.provide(Layer.merge(Outbox.layer, PushHub.layer)),
      Layer.provide(
        Layer.merge(
          Notifications.layer,
          Instances.layer({ url: service.databaseUrl, applicationName: `${name}, between instances` }),
        ),
      ),
      Layer.provide(broker(service)),
      Layer.provide(
        Database.layer({ url: service.databaseUrl, applicationName: name, maxConnections: service.databasePoolSize }, [
          messagingSchema,
          idempotencySchema,
          orderSchema,
          pushSchema,
          ticketSchema,
        ]),
      ),
    ),
})
