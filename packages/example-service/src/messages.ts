import * as CloudEvents from "@tandem/messaging/CloudEvents"
import * as Consumer from "@tandem/messaging/Consumer"
import * as Messaging from "@tandem/messaging/Messaging"
import { Outbox } from "@tandem/messaging/Outbox"
import { Effect, Layer } from "effect"
import { insertSignup, insertWelcomes, SignedUp } from "./Signups.js"

const topic = "signups"
const events = CloudEvents.make({ source: "/example-service", schema: SignedUp })

/** The outbox: the signup and the message that tells of it are written together or not at all. */
export const signUp = Effect.fn(function* (name: string) {
  const outbox = yield* Outbox
  if (!(yield* insertSignup(name))) return false
  yield* outbox.add([yield* events.encode(topic, name, new SignedUp({ name }))])
  return true
}, Outbox.transaction)

/** The inbox: each message has its effect once, however often it is delivered. */
const Welcomes = Consumer.layer({
  name: "example-service",
  topics: [topic],
  decode: events.decode,
  handler: (messages) => Effect.as(insertWelcomes(messages.map(({ payload }) => payload.name)), Consumer.handled),
})

export const Messages = Layer.provideMerge(Welcomes, Messaging.layer({ topics: [{ name: topic, partitions: 8 }] }))
