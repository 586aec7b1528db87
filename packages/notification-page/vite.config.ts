import { defaultClientConditions, defineConfig } from "vite"

const orderService = "http://127.0.0.1:8080"
const asOwnPage = { target: orderService, headers: { origin: orderService } }

export default defineConfig({
  base: "./",
  // The push client is taken from its source, so that the page and the packages can be built side by side.
  resolve: { conditions: ["source", ...defaultClientConditions] },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    // A data: URL in the style sheet would need a hole in the page's content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    host: "127.0.0.1",
    port: 8082,
    proxy: { "/orders": asOwnPage, "/ws": { ...asOwnPage, ws: true } },
  },
})
