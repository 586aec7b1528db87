import { type HttpApi, HttpApiScalar, HttpApiSwagger, HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { Effect, Layer } from "effect"
import { pagePolicy } from "./PagePolicy.js"

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
    // Scalar highlights examples in WebAssembly, and shows an empty page where it may not.
    "content-security-policy": pagePolicy(html, "WebAssembly"),
  })
  allowed.set(page, answer)
  return answer
}
