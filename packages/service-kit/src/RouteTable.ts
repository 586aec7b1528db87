import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import { Effect, Layer } from "effect"

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

type Method = (typeof methods)[number] | "OPTIONS" | "*"

/** How paths are told apart: as RFC 3986 does, but that one `/` at the end makes no difference. For everyone who looks a path up. */
export const routing = { caseSensitive: true, ignoreDuplicateSlashes: false } as const

/** Which methods each path knows; what turns a route that was not found into 404 or 405. */
export interface RouteTable {
  /** The methods of a request target, in the form of an `Allow` header; undefined where nothing is. */
  readonly allow: (target: string) => string | undefined
  /** The pattern of the route that a request reaches, such as `/orders/:id`; undefined where nothing is. */
  readonly pattern: (method: string | undefined, target: string) => string | undefined
}

/** A router that writes down the routes which are added to it, whoever adds them. */
export const make = (): { readonly table: RouteTable; readonly layer: Layer.Layer<HttpLayerRouter.HttpRouter> } => {
  const routes = HttpLayerRouter.FindMyWay.make<string>(routing)

  const used = new Set<Method>()

  const knows = (method: Method, target: string) => routes.find(method, target) !== undefined

  const note = (method: Method, path: HttpLayerRouter.PathInput) => {
    for (const each of method === "*" ? methods : [method]) {
      used.add(each)
      if (!knows(each, path)) routes.on(each, path, path)
    }
  }

  const recording = (router: HttpLayerRouter.HttpRouter, prefix: string): HttpLayerRouter.HttpRouter => {
    const whole = (path: HttpLayerRouter.PathInput): HttpLayerRouter.PathInput =>
      prefix === "" || path === "*" ? path : `/${HttpLayerRouter.prefixPath(path, prefix).slice(1)}`
    const recorded: HttpLayerRouter.HttpRouter = {
      ...router,
      add: (method, path, handler, options) => {
        note(method, whole(path))
        return router.add(method, path, handler, options)
      },
      addAll: (added) => {
        for (const route of added) note(route.method as Method, whole(route.path))
        return router.addAll(added)
      },
      prefixed: (inner) =>
        recording(router.prefixed(inner), prefix === "" ? inner : HttpLayerRouter.prefixPath(inner, prefix)),
    }
    return recorded
  }

  const allow = (target: string) => {
    // `OPTIONS *` asks about the service as a whole (RFC 9110, 9.3.7).
    const known = methods.filter((method) => (target === "*" ? used.has(method) : knows(method, target)))
    if (known.length === 0) return undefined
    return [...known.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])), "OPTIONS"].join(", ")
  }

  const pattern = (method: string | undefined, target: string) =>
    routes.find(method === "HEAD" ? "GET" : ((method ?? "GET") as Method), target)?.handler

  return {
    table: { allow, pattern },
    layer: Layer.effect(
      HttpLayerRouter.HttpRouter,
      HttpLayerRouter.make.pipe(
        Effect.provideService(HttpLayerRouter.RouterConfig, routing),
        Effect.map((router) => recording(router, "")),
      ),
    ),
  }
}
