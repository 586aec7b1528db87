import { createRequire } from "node:module"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, type Layer } from "effect"
import { json, textResponse } from "./Json.js"
import { pagePolicy } from "./PagePolicy.js"

/** An AsyncAPI 3 document. */
export type AsyncApiDocument = Readonly<Record<string, unknown>>

const { resolve } = createRequire(import.meta.url)

/** The prebuilt component without its parser, for our document is known to be good. Megabytes that few ever ask for: read when asked. */
const assets = {
  "/asyncapi/component.js": [
    "@asyncapi/react-component/browser/standalone/without-parser.js",
    "text/javascript; charset=utf-8",
  ],
  "/asyncapi/component.css": ["@asyncapi/react-component/styles/default.min.css", "text/css; charset=utf-8"],
} as const

/**
 * The messages' page for people and the document behind it: `/asyncapi.json` and `/asyncapi.html`. The page is whole in itself and asks
 * no other host for anything.
 */
export const layer = (
  document: AsyncApiDocument,
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter | FileSystem.FileSystem> =>
  HttpLayerRouter.use((router) =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const html = pageOf(document)
      // The component compiles validators of JSON Schema as it loads; all that it is given is our own document.
      const page = textResponse(html, "text/html; charset=utf-8", {
        headers: { "content-security-policy": pagePolicy(html, "JavaScript"), "cache-control": "no-cache" },
      })
      yield* router.add("GET", "/asyncapi.json", Effect.succeed(json(document)))
      yield* router.add("GET", "/asyncapi.html", Effect.succeed(page))
      const headers = { "cache-control": "public, max-age=3600" }
      for (const [path, [file, contentType]] of Object.entries(assets)) {
        yield* router.add(
          "GET",
          path as HttpLayerRouter.PathInput,
          files.readFile(resolve(file)).pipe(
            Effect.map((bytes) => HttpServerResponse.uint8Array(bytes, { contentType, headers })),
            // It is part of a package that is installed, as this very file is.
            Effect.orDie,
          ),
        )
      }
    }),
  )

const pageOf = (document: AsyncApiDocument): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${titleOf(document)}</title>
<link rel="stylesheet" href="/asyncapi/component.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="asyncapi"></div>
<script id="document" type="application/json">${JSON.stringify(parsed(document)).replaceAll("<", "\\u003c")}</script>
<script src="/asyncapi/component.js"></script>
<script>
AsyncApiStandalone.render(
  { schema: JSON.parse(document.getElementById("document").textContent), config: { show: { sidebar: true, errors: false } } },
  document.getElementById("asyncapi"),
)
</script>
</body>
</html>
`

const titleOf = ({ info }: AsyncApiDocument): string =>
  typeof info === "object" && info !== null && "title" in info ? String(info.title).replace(/[<>&]/g, "") : "AsyncAPI"

/**
 * The document as the component's parser would give it: references followed, and what others refer to named.
 */
const parsed = (document: AsyncApiDocument): unknown => {
  const components = Object(document["components"])
  const named: AsyncApiDocument = {
    ...document,
    channels: withNames(document["channels"], "x-parser-unique-object-id"),
    operations: withNames(document["operations"], "x-parser-unique-object-id"),
    components: {
      messages: withNames(components["messages"], "x-parser-unique-object-id"),
      schemas: withNames(components["schemas"], "x-parser-schema-id"),
    },
    "x-parser-spec-parsed": true,
    "x-parser-spec-stringified": true,
    "x-parser-api-version": 3,
  }
  const follow = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(follow)
    if (typeof value !== "object" || value === null) return value
    if ("$ref" in value && typeof value.$ref === "string") return follow(at(named, value.$ref))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, follow(inner)]))
  }
  return follow(named)
}

const withNames = (parts: unknown, key: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(Object(parts)).map(([name, part]): [string, unknown] => [name, { ...Object(part), [key]: name }]),
  )

const at = (document: AsyncApiDocument, reference: string): unknown =>
  reference
    .slice(2)
    .split("/")
    .reduce((value: unknown, key) => Object(value)[key.replaceAll("~1", "/").replaceAll("~0", "~")], document)
