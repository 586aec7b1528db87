import { advice, type Finding, type FindingKind, repairableKinds } from "../domain/Finding.js"
import type { Report } from "../Reconciliation.js"

/** What was repaired: how many orders of a kind were asked or answered again. */
export type Repairs = Readonly<Record<string, number>>

const isRepairable = (kind: FindingKind): boolean => repairableKinds.some((repairable) => repairable === kind)

const ids = (finding: Finding): string =>
  Object.entries(finding.ids)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ")

/** The report for a person. */
export const toText = (report: Report, repairs: Repairs): string => {
  const { books, findings } = report
  const lines = [
    `Compared ${report.orders} orders, ${report.payments} payments, ${books.accounts} accounts and ${books.transfers} transfers.`,
    `Balances ${books.balances}, funding ${books.funding}, settlement ${books.settlement}.`,
    ...(report.pending > 0 ? [`${report.pending} orders are under way and cannot be judged yet.`] : []),
  ]
  for (const kind of new Set(findings.map((finding) => finding.kind))) {
    const own = findings.filter((finding) => finding.kind === kind)
    lines.push("", `${kind}: ${own.length}${report.more.includes(kind) ? " and more" : ""}. ${advice[kind]}`)
    for (const finding of own) {
      lines.push(
        `  ${[ids(finding), `expected ${finding.expected}`, `found ${finding.found}`].filter(Boolean).join("; ")}`,
      )
    }
  }
  lines.push(
    "",
    findings.length === 0
      ? "Nothing disagrees."
      : findings.length === 1
        ? "1 finding."
        : `${findings.length} findings.`,
  )
  for (const [kind, count] of Object.entries(repairs)) {
    lines.push(`Repaired ${kind}: ${count} messages are in the outbox. Check again in a minute.`)
  }
  return lines.join("\n")
}

/** The report for a machine; sums are strings, for they may pass 2^53. */
export const toJson = (report: Report, repairs: Repairs): string =>
  JSON.stringify(
    {
      checkedAt: report.checkedAt,
      clean: report.findings.length === 0,
      orders: report.orders,
      payments: report.payments,
      pending: report.pending,
      books: report.books,
      findings: report.findings.map((finding) => ({
        ...finding,
        advice: advice[finding.kind],
        repairable: isRepairable(finding.kind),
      })),
      more: report.more,
      repairs,
    },
    (_, value) => (typeof value === "bigint" ? value.toString() : value),
    2,
  )
