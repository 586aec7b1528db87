import { JSONSchema } from "effect"
import { topics } from "../messages/Topics.js"
import { type Described, frames, topicMessages } from "./AsyncApiMessages.js"

type Json = Readonly<Record<string, unknown>>

/** What a party does with a topic. */
export interface Part {
  readonly action: "send" | "receive"
  /** The operation's id, for code. */
  readonly operation: string
  readonly summary: string
}

/** A service as a party that sends and receives. */
export interface Party {
  readonly title: string
  readonly description: string
  /** A topic is sent to by one party and received by the other. */
  readonly topics: Readonly<Record<string, Part>>
  /** Where its sockets are opened by default, when it pushes. */
  readonly pushPort?: number
}

const reference = (...path: ReadonlyArray<string>) => ({ $ref: `#/${path.join("/")}` })

/** The schemas that a document's messages refer to, gathered while they are made. */
const schemaOf = ({ schema }: Described, definitions: Record<string, JSONSchema.JsonSchema7>): Json =>
  JSONSchema.fromAST(schema.ast, {
    definitions,
    definitionPath: "#/components/schemas/",
    topLevelReferenceStrategy: "skip",
    additionalPropertiesStrategy: "allow",
  }) as unknown as Json

/** A CloudEvent in structured mode. Whoever reads one ignores fields that it does not know. */
const eventSchema = (type: string, source: string, data: Json): Json => ({
  type: "object",
  required: ["specversion", "id", "source", "type", "time", "datacontenttype", "data"],
  properties: {
    specversion: { type: "string", const: "1.0" },
    id: {
      type: "string",
      format: "uuid",
      description: "The message's own id, a UUIDv7; the same id is the same message.",
    },
    source: { type: "string", const: source },
    type: { type: "string", const: type },
    time: { type: "string", format: "date-time", description: "When it was written." },
    datacontenttype: { type: "string", const: "application/json" },
    traceparent: {
      type: "string",
      pattern: "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
      description: "W3C trace context of whoever wrote it, if there was one.",
    },
    data,
  },
})

/** Without `_tag`, which travels as the event's `type`. */
const dataOf = (schema: Json): Json => {
  const { _tag, ...properties } = schema["properties"] as Json
  const required = (schema["required"] as ReadonlyArray<string>).filter((name) => name !== "_tag")
  return { ...schema, required, properties }
}

const eventId = "01936f4e-8f2b-7d10-a6c1-0e9d8c7b6a54"

const eventExample = (type: string, source: string, data: Json): Json => ({
  specversion: "1.0",
  id: eventId,
  source,
  type,
  time: "2026-01-31T12:00:00.000Z",
  datacontenttype: "application/json",
  data,
})

const messageKey = {
  type: "string",
  description: "The `userId`: one user's messages stay in order.",
  examples: ["1"],
}

/** The AsyncAPI 3 document of a service, made from the same schemas that encode and decode its messages. */
export const asyncApi = (party: Party): Json => {
  const definitions: Record<string, JSONSchema.JsonSchema7> = {}
  const schemas: Record<string, unknown> = {}
  const messages: Record<string, unknown> = {}
  const channels: Record<string, unknown> = {}
  const operations: Record<string, unknown> = {}
  const servers: Record<string, unknown> = {
    broker: {
      host: "127.0.0.1:9092",
      protocol: "kafka",
      description: "What `BROKER_URL` names. A PostgreSQL broker carries the same messages.",
    },
  }

  const addChannel = (
    id: string,
    names: ReadonlyArray<string>,
    channel: Json,
    { action, operation, summary }: Part,
  ) => {
    channels[id] = {
      ...channel,
      messages: Object.fromEntries(names.map((name) => [name, reference("components", "messages", name)])),
    }
    operations[operation] = {
      action,
      channel: reference("channels", id),
      summary,
      messages: names.map((name) => reference("channels", id, "messages", name)),
    }
  }

  for (const [topic, part] of Object.entries(party.topics)) {
    const described = topicMessages[topic]
    if (described === undefined) continue
    const { description, source } = described
    for (const [name, message] of Object.entries(described.messages)) {
      schemas[name] = dataOf(schemaOf(message, definitions))
      schemas[`${name}Event`] = eventSchema(name, source, reference("components", "schemas", name))
      messages[name] = {
        name,
        title: name,
        summary: message.summary,
        contentType: "application/cloudevents+json",
        headers: {
          type: "object",
          required: ["content-type"],
          properties: { "content-type": { type: "string", const: "application/cloudevents+json" } },
        },
        payload: reference("components", "schemas", `${name}Event`),
        bindings: { kafka: { key: messageKey, bindingVersion: "0.5.0" } },
        examples: [
          {
            name,
            headers: { "content-type": "application/cloudevents+json" },
            payload: eventExample(name, source, message.example),
          },
        ],
      }
    }
    const partitions = topics.find(({ name }) => name === topic)?.partitions
    const channel = {
      address: topic,
      title: topic,
      description,
      servers: [reference("servers", "broker")],
      bindings: { kafka: { topic, partitions, bindingVersion: "0.5.0" } },
    }
    addChannel(topic, Object.keys(described.messages), channel, part)
  }

  if (party.pushPort !== undefined) {
    servers["push"] = {
      host: `127.0.0.1:${party.pushPort}`,
      protocol: "ws",
      description: "The service itself. Server-sent events carry the same frames at `/notifications/stream`.",
    }
    for (const [name, frame] of Object.entries(frames)) {
      schemas[name] = schemaOf(frame, definitions)
      messages[name] = {
        name,
        title: name,
        summary: frame.summary,
        contentType: "application/json",
        payload: reference("components", "schemas", name),
        examples: [{ name, payload: frame.example }],
      }
    }
    const channel = {
      address: "/ws",
      title: "/ws",
      description:
        "Tells a user of every change of his orders: a welcome first, then what was missed, then what happens.",
      servers: [reference("servers", "push")],
      bindings: { ws: { method: "GET", query: pushQuery, bindingVersion: "0.1.0" } },
    }
    addChannel("notifications", Object.keys(frames), channel, {
      action: "send",
      operation: "pushNotifications",
      summary: "Pushes what happens to a user's orders",
    })
  }

  return {
    asyncapi: "3.0.0",
    info: {
      title: party.title,
      version: "0.1.0",
      description: party.description,
      contact: { name: "The maintainers of Tandem" },
      license: { name: "MIT", url: "https://spdx.org/licenses/MIT.html" },
    },
    defaultContentType: "application/json",
    servers,
    channels,
    operations,
    components: { messages, schemas: { ...schemas, ...definitions } },
  }
}

const pushQuery = {
  type: "object",
  properties: {
    userId: { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$", description: "Whose frames." },
    after: { type: "integer", minimum: 0, description: "Everything above this number is replayed first." },
    ticket: { type: "string", description: "Of `POST /push-tickets`, where the service asks for tokens." },
  },
}
