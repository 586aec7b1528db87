import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Stack } from "@tandem/dev-stack/Stack"

const program = fileURLToPath(new URL("../../reconciliation/bin/tandem-reconcile.mjs", import.meta.url))

/** What `tandem-reconcile --json` says. */
export interface Reconciliation {
  /** 0: clean, 1: findings, 2: could not check. */
  readonly code: number | null
  /** Undefined when it could not check. */
  readonly report:
    | {
        readonly orders: number
        readonly payments: number
        readonly pending: number
        readonly books: { readonly balances: string; readonly funding: string; readonly settlement: string }
        readonly findings: ReadonlyArray<{ readonly kind: string; readonly ids: Readonly<Record<string, string>> }>
        readonly repairs: Readonly<Record<string, number>>
      }
    | undefined
  readonly errors: string
}

/** Runs the reconciliation command against a running system, as an operator would. */
export const reconcile = (
  stack: { readonly databaseUrls: Pick<Stack["databaseUrls"], "orders" | "payments"> },
  ...parameters: ReadonlyArray<string>
): Promise<Reconciliation> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [program, "--json", ...parameters], {
      env: {
        PATH: process.env["PATH"] ?? "",
        ORDER_DATABASE_URL: stack.databaseUrls.orders,
        PAYMENT_DATABASE_URL: stack.databaseUrls.payments,
      },
    })
    let output = ""
    let errors = ""
    child.stdout.on("data", (bytes) => {
      output += bytes
    })
    child.stderr.on("data", (bytes) => {
      errors += bytes
    })
    child.on("close", (code) => resolve({ code, report: output === "" ? undefined : JSON.parse(output), errors }))
  })
