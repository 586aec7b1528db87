import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { json } from "./Json.js"

/** Caches may keep what one user sees for that user, and ask each time whether it is still so. */
const cacheControl = "private, no-cache"

/** The headers of a version of something; see {@link versioned}. */
export const versionHeaders = (version: string | number) => ({ etag: `"${version}"`, "cache-control": cacheControl })

/**
 * Answers a GET with a version of something as JSON and its `ETag`, or with 304 when the caller has that version already (RFC 9110,
 * 13.1.2).
 *
 * @param version of what is shown, without quotes: the same as long as the body is the same, and never again once it was another
 */
export const versioned = (
  request: HttpServerRequest.HttpServerRequest,
  version: string | number,
  body: unknown,
): HttpServerResponse.HttpServerResponse => {
  const headers = versionHeaders(version)
  const condition = request.headers["if-none-match"]
  return condition !== undefined && has(condition, headers.etag)
    ? HttpServerResponse.empty({ status: 304, headers })
    : json(body, { headers })
}

/** One entity tag, weak or not; a quote cannot stand within. */
const entityTag = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g

/** `If-None-Match` compares weakly: `W/` makes no difference. What is no list of entity tags matches nothing. */
const has = (condition: string, etag: string): boolean => {
  if (condition.trim() === "*") return true
  for (const [, tag] of condition.matchAll(entityTag)) if (tag === etag) return true
  return false
}
