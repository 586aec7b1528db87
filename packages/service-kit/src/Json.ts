import * as HttpServerResponse from "@effect/platform/HttpServerResponse"

/** Status and headers of a response. */
export interface JsonOptions {
  /** 200 when absent. */
  readonly status?: number
  /** Such as `{ location: "/orders/…" }`; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A response whose body is this text. With its length known, Node writes head and body in one piece; `HttpServerResponse.json` takes two. */
export const textResponse = (
  body: string,
  contentType: string,
  { status = 200, headers = {} }: JsonOptions = {},
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.raw(body, { status, headers, contentType, contentLength: Buffer.byteLength(body) })

/** A JSON response of a value that is known to fit the contract: nothing is checked, which is what makes it the fast way. */
export const json = (body: unknown, options?: JsonOptions): HttpServerResponse.HttpServerResponse =>
  textResponse(JSON.stringify(body), "application/json", options)
