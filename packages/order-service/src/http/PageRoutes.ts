import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import type { PageConfig } from "../config.js"

/** Assets carry their content's hash in the name, so they may be kept for ever; the page itself is asked for each time. */
const forEver = "public, max-age=31536000, immutable"

const mediaTypes: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  webmanifest: "application/manifest+json",
}

const mediaType = (file: string) => mediaTypes[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream"

/**
 * The notification page: `/index.html` with the payment service's address put in, its assets beside it, and `/` leading there.
 * All of it is read once, at the start: a page that was not built is noticed then and not by a user.
 */
export const PageRoutes = ({ paymentPublicUrl }: PageConfig) =>
  HttpLayerRouter.use((router) =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const index = new URL(import.meta.resolve("@tandem/notification-page/dist/index.html"))
      const directory = new URL(".", index).pathname
      const payment = paymentPublicUrl.origin
      const html = (yield* files.readFileString(index.pathname)).replaceAll("__PAYMENT_PUBLIC_URL__", payment)
      const policy = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "manifest-src 'self'",
        `connect-src 'self' ${payment}`,
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ].join("; ")
      const page = HttpServerResponse.text(html, {
        contentType: "text/html; charset=utf-8",
        headers: { "content-security-policy": policy, "cache-control": "no-cache" },
      })
      yield* router.add("GET", "/index.html", Effect.succeed(page))
      yield* router.add("GET", "/", (request) => {
        const query = request.url.indexOf("?")
        return Effect.succeed(
          HttpServerResponse.redirect(`/index.html${query < 0 ? "" : request.url.slice(query)}`, { status: 302 }),
        )
      })
      for (const file of yield* files.readDirectory(directory, { recursive: true })) {
        if (file === "index.html" || !/\.[a-z0-9]+$/.test(file) || !/^[\w./-]+$/.test(file)) continue
        const bytes = yield* files.readFile(directory + file)
        const asset = HttpServerResponse.uint8Array(bytes, {
          contentType: mediaType(file),
          headers: { "cache-control": file.startsWith("assets/") ? forEver : "no-cache" },
        })
        yield* router.add("GET", `/${file}`, Effect.succeed(asset))
      }
    }),
  )
