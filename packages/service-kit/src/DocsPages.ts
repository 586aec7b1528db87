import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Layer } from "effect"
import { pagePolicy } from "./PagePolicy.js"

/**
 * The API's pages for people: Swagger UI at `/swagger-ui/index.html`, Scalar at `/docs`. Both are whole in themselves and ask no other
 * host for anything; their policy allows exactly the scripts that stand in them. Each is loaded when somebody first looks at it, for
 * together they take 26 MB of memory.
 */
export const layer = (api: HttpApi.HttpApi.Any): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> => {
  const swagger = page("/swagger-ui/index.html", async () => {
    const { layerHttpLayerRouter } = await import("@effect/platform/HttpApiSwagger")
    return layerHttpLayerRouter({ api, path: "/swagger-ui/index.html" })
  })
  const scalar = page("/docs", async () => {
    const { layerHttpLayerRouter } = await import("@effect/platform/HttpApiScalar")
    return layerHttpLayerRouter({ api, path: "/docs", scalar: { withDefaultFonts: false } })
  })
  // The router takes `/swagger-ui/` for the same path.
  const redirect = HttpLayerRouter.add(
    "GET",
    "/swagger-ui",
    Effect.succeed(HttpServerResponse.redirect("/swagger-ui/index.html")),
  )
  return Layer.mergeAll(swagger, scalar, redirect)
}

type Page = HttpServerResponse.HttpServerResponse

const page = (
  path: `/${string}`,
  load: () => Promise<Layer.Layer<never, never, HttpLayerRouter.HttpRouter>>,
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> =>
  HttpLayerRouter.use((router) =>
    Effect.gen(function* () {
      const loaded = yield* Effect.cached(
        Effect.flatMap(Effect.promise(load), (routes) => Effect.map(pageOf(routes, router), allowingItsScripts)),
      )
      yield* router.add("GET", path, loaded)
    }),
  )

/** The page that a layer of one route would add to a router. */
const pageOf = (
  routes: Layer.Layer<never, never, HttpLayerRouter.HttpRouter>,
  router: HttpLayerRouter.HttpRouter,
): Effect.Effect<Page> =>
  Effect.gen(function* () {
    let taken: Effect.Effect<Page> | undefined
    const taking: HttpLayerRouter.HttpRouter = {
      ...router,
      add: (_method, _path, handler) => {
        // These pages need nothing of their request.
        if (Effect.isEffect(handler)) taken = handler as Effect.Effect<Page>
        return Effect.void
      },
    }
    yield* Effect.scoped(Layer.build(Layer.provide(routes, Layer.succeed(HttpLayerRouter.HttpRouter, taking))))
    return yield* taken ?? Effect.dieMessage("a page of documentation adds no route")
  })

const allowingItsScripts = (answer: Page): Page => {
  const html = answer.body._tag === "Uint8Array" ? new TextDecoder().decode(answer.body.body) : ""
  return HttpServerResponse.setHeaders(answer, {
    // Scalar highlights examples in WebAssembly, and shows an empty page where it may not.
    "content-security-policy": pagePolicy(html, "WebAssembly"),
  })
}
