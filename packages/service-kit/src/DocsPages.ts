import { createHash } from "node:crypto"
import { type HttpApi, HttpApiScalar, HttpApiSwagger, HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { Effect, Layer } from "effect"

/**
 * The API's pages for people: Swagger UI at `/swagger-ui/index.html`, Scalar at `/docs`. Both are whole in themselves and ask no other
 * host for anything; their policy allows exactly the scripts that stand in them.
 */
export const layer = (api: HttpApi.HttpApi.Any): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> => {
  const swagger = HttpApiSwagger.layerHttpLayerRouter({ api, path: "/swagger-ui/index.html" })
  const scalar = HttpApiScalar.layerHttpLayerRouter({ api, path: "/docs", scalar: { withDefaultFonts: false } })
  // The router takes `/swagger-ui/` for the same path.
  const redirect = HttpLayerRouter.add(
    "GET",
    "/swagger-ui",
    Effect.succeed(HttpServerResponse.redirect("/swagger-ui/index.html")),
  )
  return Layer.merge(Layer.provide(Layer.merge(swagger, scalar), withPolicy), redirect)
}

/** A router that gives every page which is added through it the policy for its inline scripts. */
const withPolicy = Layer.effect(
  HttpLayerRouter.HttpRouter,
  Effect.map(
    HttpLayerRouter.HttpRouter,
    (router): HttpLayerRouter.HttpRouter => ({
      ...router,
      add: (method, path, handler, options) =>
        router.add(method, path, Effect.isEffect(handler) ? Effect.map(handler, allowingItsScripts) : handler, options),
    }),
  ),
)

/** Megabytes to hash, so each page once. */
const allowed = new WeakMap<HttpServerResponse.HttpServerResponse, HttpServerResponse.HttpServerResponse>()

const allowingItsScripts = (page: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const known = allowed.get(page)
  if (known !== undefined) return known
  const html = page.body._tag === "Uint8Array" ? new TextDecoder().decode(page.body.body) : ""
  const answer = HttpServerResponse.setHeaders(page, {
    "content-security-policy": policy(html),
  })
  allowed.set(page, answer)
  return answer
}

const policy = (html: string): string => {
  const scripts = [...html.matchAll(/<script(?<attributes>[^>]*)>(?<text>[\s\S]*?)<\/script>/g)]
    .filter(({ groups }) => !groups?.["attributes"]?.includes("application/json"))
    .map(
      ({ groups }) =>
        `'sha256-${createHash("sha256")
          .update(groups?.["text"] ?? "")
          .digest("base64")}'`,
    )
  return [
    "default-src 'none'",
    // Scalar highlights examples in WebAssembly, and shows an empty page where it may not.
    `script-src ${scripts.join(" ")} 'wasm-unsafe-eval'`,
    // Both set styles on elements while they run, which no hash can foresee.
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ")
}
