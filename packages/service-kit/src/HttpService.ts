import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import type * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { type Cause, Effect, Layer } from "effect"
import * as AsyncApiPage from "./AsyncApiPage.js"
import type { Access } from "./auth/Access.js"
import * as GuardedRoutes from "./auth/GuardedRoutes.js"
import { DirectRoutes } from "./DirectRoutes.js"
import * as DocsPages from "./DocsPages.js"
import * as EndpointTable from "./EndpointTable.js"
import type { HealthChecks } from "./Health.js"
import * as HealthRoutes from "./HealthRoutes.js"
import { attach } from "./HttpListener.js"
import type { NodeServer } from "./NodeServer.js"
import type { Origins } from "./Origins.js"
import { problemResponse } from "./ProblemDetails.js"
import { answered } from "./Problems.js"
import * as RouteTable from "./RouteTable.js"
import * as MetricsRoute from "./telemetry/MetricsRoute.js"

/** What a service answers. */
export interface HttpServiceOptions<Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R, ER, RR> {
  readonly api: HttpApi.HttpApi<Id, Groups, E, R>
  /** The API's groups (`HttpApiBuilder.group`) and any routes beside it (`HttpLayerRouter.add`, `HttpLayerRouter.use`), merged. */
  readonly routes: Layer.Layer<HttpApiGroup.HttpApiGroup.ToService<Id, Groups>, ER, RR>
  /** The AsyncAPI document of what the service says and hears, which gets its pages; none when absent. */
  readonly asyncApi?: AsyncApiPage.AsyncApiDocument
  /** Paths whose WebSocket upgrades somebody else answers on the `NodeServer`; any other upgrade is 404. None when absent. */
  readonly upgradePaths?: ReadonlyArray<`/${string}`>
}

/** What the routes get from here. */
type Provided = HttpLayerRouter.HttpRouter | HttpLayerRouter.Provided | NodeContext.NodeContext | DirectRoutes

/** What remains to be given to the service: what the routes need to be built and to answer. */
type Needed<R> = Exclude<
  | HttpLayerRouter.Request.Without<R>
  | HttpLayerRouter.Request.Only<"Requires", R>
  | HttpLayerRouter.Request.Only<"GlobalRequires", R>,
  Provided
>

/** Who comes to a WebSocket's path as to any other is told how to come; and another method is 405 there too. */
const withoutUpgrade = (paths: ReadonlyArray<`/${string}`>) =>
  HttpLayerRouter.use((router) =>
    Effect.forEach(paths, (path) =>
      router.add(
        "GET",
        path,
        Effect.succeed(
          problemResponse({
            kind: "invalid-request",
            detail: "This path is opened as a WebSocket, with the headers for it.",
            headers: { upgrade: "websocket" },
          }),
        ),
      ),
    ),
  )

/**
 * Answers an API and the routes beside it on the {@link NodeServer}, with `/openapi.json`, `/swagger-ui/index.html`, `/docs`, `/asyncapi.json`, `/asyncapi.html`,
 * `/health/live`, `/health/ready` and `/metrics`. Every refusal and every fault is problem+json; see `Problems.ts`.
 */
export const layer = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R, ER, RR>(
  options: HttpServiceOptions<Id, Groups, E, R, ER, RR>,
): Layer.Layer<
  never,
  HttpLayerRouter.Request.Without<ER>,
  | NodeServer
  | Origins
  | Access
  | HealthChecks
  | Needed<RR>
  | Exclude<R | HttpApiGroup.HttpApiGroup.ErrorContext<Groups>, Provided>
> => {
  const { api, routes, asyncApi, upgradePaths = [] } = options
  const { table, layer: router } = RouteTable.make()
  const app = Layer.mergeAll(
    HttpLayerRouter.addHttpApi(api, { openapiPath: "/openapi.json" }),
    DocsPages.layer(api),
    HealthRoutes.layer,
    MetricsRoute.layer,
    asyncApi === undefined ? Layer.empty : AsyncApiPage.layer(asyncApi),
    withoutUpgrade(upgradePaths),
  ).pipe(
    Layer.provideMerge(routes),
    Layer.provideMerge(router),
    Layer.provideMerge(DirectRoutes.layer),
    Layer.provide(NodeHttpServer.layerContext),
  )
  // The router marks the needs of handlers as needs of their layers; `Needed` says the same in plain services.
  const assembled = app as Layer.Layer<
    HttpLayerRouter.HttpRouter | DirectRoutes,
    HttpLayerRouter.Request.Without<ER>,
    HealthChecks | Needed<RR> | Exclude<R | HttpApiGroup.HttpApiGroup.ErrorContext<Groups>, Provided>
  >
  return Layer.provide(
    Layer.scopedDiscard(
      Effect.gen(function* () {
        const { asHttpEffect } = yield* HttpLayerRouter.HttpRouter
        const answers = answered(table, EndpointTable.make(api))
        const faulted = (cause: Cause.Cause<unknown>) => answers(Effect.failCause(cause))
        yield* attach(answers(asHttpEffect()), faulted, upgradePaths, GuardedRoutes.make(api), table)
      }),
    ),
    assembled,
  )
}
