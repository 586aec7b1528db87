import * as FreezableLink from "@tandem/messaging/testing/FreezableLink"
import { Effect } from "effect"

/** A link to a database, with the database's URL by way of it. */
export const make = (url: string) => {
  const own = new URL(url)
  return Effect.map(FreezableLink.make({ host: own.hostname, port: Number(own.port) }), (link) => {
    own.hostname = "127.0.0.1"
    own.port = String(link.port)
    return { ...link, url: own.href }
  })
}
