import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { Effect } from "effect"
import type { Account } from "../domain/Ledger.js"
import type { Known, Settlement } from "../domain/Settlement.js"

/**
 * Accounts as this process's last settlements left them. Somebody else may have changed them since: what is decided on them may be written
 * under their versions only, and a decision that writes nothing to an account may not be made on them (docs/adr/0009).
 */
export interface RecentAccounts {
  /** What these commands are about, if it is known of all of them; none of their orders is taken to be decided. */
  readonly recall: (commands: ReadonlyArray<PaymentRequest>) => Known | undefined
  /** A settlement was committed. */
  readonly remember: (settlement: Settlement) => void
  /** A settlement may not have been. */
  readonly forget: (settlement: Settlement) => void
}

/** Some 100 bytes each. */
const most = 10_000

/** Knows nothing yet; keeps the 10,000 that were settled last. */
export const make: Effect.Effect<RecentAccounts> = Effect.sync(() => {
  const accounts = new Map<string, Account>()
  return {
    recall: (commands) => {
      const known = new Map<string, Account>()
      for (const { userId } of commands) {
        const account = accounts.get(userId)
        if (account === undefined) return undefined
        known.set(userId, account)
      }
      return { accounts: known, payments: new Map() }
    },
    remember: (settlement) => {
      for (const { after } of settlement.accounts) {
        accounts.delete(after.userId)
        accounts.set(after.userId, after)
      }
      for (const oldest of accounts.keys()) {
        if (accounts.size <= most) return
        accounts.delete(oldest)
      }
    },
    forget: (settlement) => {
      for (const { before } of settlement.accounts) accounts.delete(before.userId)
    },
  }
})
