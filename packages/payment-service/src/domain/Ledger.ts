/** A user's account; `version` grows by one with every transfer. */
export interface Account {
  readonly userId: string
  /** Minor units, never negative. */
  readonly balance: number
  readonly version: number
}

/** Why money moved. */
export type TransferKind = "topup" | "payment" | "refund"

/** A movement of money as it stands in the ledger, seen from the user's account. */
export interface TransferLine {
  readonly userId: string
  /** The account's version after it: no two transfers of an account share one. */
  readonly version: number
  readonly kind: TransferKind
  /** Minor units, above 0. */
  readonly amount: number
  readonly balanceAfter: number
  /** The order that is paid or refunded; null for a top-up. */
  readonly orderId: string | null
}
