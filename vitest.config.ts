import { defineConfig } from "vitest/config"

export default defineConfig({
  // Tests read the packages' sources, so that they need no build; processes that they start run what was built.
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts"],
    globalSetup: ["packages/dev-stack/src/vitestGlobalSetup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    silent: "passed-only",
  },
})
