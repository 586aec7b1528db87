// The import rules of the house (README, "The house"): imports run downward only.
const below = {
  contracts: [],
  messaging: [],
  "messaging-kafka": ["messaging"],
  "messaging-postgres": ["messaging"],
  "messaging-cli": ["messaging"],
  "service-kit": ["contracts", "messaging"],
  "order-service": ["contracts", "messaging", "messaging-kafka", "messaging-postgres", "service-kit"],
  "payment-service": ["contracts", "messaging", "messaging-kafka", "messaging-postgres", "service-kit"],
  "example-service": ["messaging", "messaging-kafka", "messaging-postgres"],
  reconciliation: ["contracts", "messaging"],
  "notification-client": ["contracts"],
  "notification-page": ["contracts", "notification-client"],
  "dev-stack": [],
  "system-tests": ["contracts", "messaging", "messaging-kafka", "messaging-postgres", "service-kit", "dev-stack"],
  simulation: ["contracts", "messaging", "service-kit", "order-service", "payment-service"],
  bench: [
    "contracts",
    "dev-stack",
    "messaging",
    "messaging-kafka",
    "messaging-postgres",
    "order-service",
    "payment-service",
    "service-kit",
  ],
}

const services = ["order-service", "payment-service"]

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...Object.entries(below).map(([name, allowed]) => ({
      name: `${name}-imports-downward`,
      comment: `packages/${name} may import ${allowed.length === 0 ? "no other package of the house" : allowed.join(", ")}`,
      severity: "error",
      from: { path: `^packages/${name}/src/` },
      to: { path: "^packages/", pathNot: `^packages/(${[name, ...allowed].join("|")})/` },
    })),
    {
      name: "domain-is-pure",
      comment: "domain/ decides with plain functions and data: no SQL, no HTTP, no broker, no Effect services",
      severity: "error",
      from: { path: "^packages/[^/]+/src/domain/" },
      to: {
        path: "(@effect/|kafkajs|/ws/|packages/(order|payment)-service/src/(sql|http|messages|push)/|packages/(messaging|service-kit)|^node:)",
      },
    },
    {
      name: "only-main-chooses-a-broker",
      comment: "a service's code knows the Broker port; its main.ts alone knows the drivers",
      severity: "error",
      from: { path: `^packages/(${services.join("|")})/src/`, pathNot: "/src/main\\.ts$" },
      to: { path: "^packages/messaging-(kafka|postgres)/" },
    },
    {
      name: "sql-stays-in-sql",
      comment: "every statement on a service's own tables stands in its sql/ folder",
      severity: "error",
      from: { path: `^packages/(${services.join("|")})/src/(http|domain)/` },
      to: { path: "@effect/sql/" },
    },
    {
      name: "contracts-without-node",
      comment: "a browser imports the contracts' types",
      severity: "error",
      from: { path: "^packages/contracts/src/" },
      to: { path: "(@effect/sql|@effect/platform-node|kafkajs|^node:)" },
    },
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(/dist/|/test/)" },
    includeOnly: "^packages/|node_modules",
    tsConfig: { fileName: "tsconfig.base.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["source", "import", "node", "default"] },
  },
}
