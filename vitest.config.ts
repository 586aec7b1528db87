import { defineConfig } from "vitest/config"

export default defineConfig({
  // Tests read the packages' sources, so that they need no build; processes that they start run what was built.
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  // Without this, Vite warns of each source map of an inlined dependency.
  logLevel: "error",
  test: {
    include: ["packages/*/test/**/*.test.ts"],
    globalSetup: ["packages/dev-stack/src/vitestGlobalSetup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // It imports JSON in a way that only bundlers understand.
    server: { deps: { inline: [/@actions\/(workflow-parser|expressions)/] } },
    silent: "passed-only",
  },
})
