import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import { routing } from "../RouteTable.js"

/** Whether a request needs a caller. */
export type IsGuarded = (method: string | undefined, target: string) => boolean

/**
 * Every endpoint of an API needs a caller, so that a new one cannot be forgotten; what stands beside the API (health, metrics, documents,
 * pages) is open. Found by the same router with the same settings as the endpoints themselves: a path that reaches one is guarded,
 * however it is written.
 */
export const make = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>,
): IsGuarded => {
  const endpoints = HttpLayerRouter.FindMyWay.make<true>(routing)
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => endpoints.on(endpoint.method, endpoint.path, true),
  })
  return (method, target) =>
    method !== undefined && endpoints.find(method === "HEAD" ? "GET" : method, target) !== undefined
}
