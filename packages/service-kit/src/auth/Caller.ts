/**
 * Who calls. With auth off nobody asks, and everybody may do everything; with it a caller is one user, known by the `sub` of a
 * verified token.
 */
export type Caller =
  | { readonly _tag: "Anyone" }
  | {
      readonly _tag: "User"
      readonly userId: string
      /** The scope `operator`: reads everything, and may cancel and refund for everybody. */
      readonly operator: boolean
      /** The scope `accounts:fund`: tops up the caller's own account; an operator with it, everybody's. */
      readonly canFund: boolean
      /** When the caller's token expires, ms since the epoch. */
      readonly expiresAt: number
    }

/** The caller where nobody is asked. */
export const anyone: Caller = { _tag: "Anyone" }

/** The scopes that mean something here. */
export const scopes = { fund: "accounts:fund", operator: "operator" } as const

/**
 * Whose things a statement may touch: goes into its WHERE, so that what is somebody else's is as if it were not there. Undefined
 * for who may touch everybody's.
 */
export const ownerOf = (caller: Caller): string | undefined =>
  caller._tag === "Anyone" || caller.operator ? undefined : caller.userId

/** Whether this user's things are there for the caller at all. */
export const maySee = (caller: Caller, userId: string): boolean => {
  const owner = ownerOf(caller)
  return owner === undefined || owner === userId
}

/** Whether the caller may place an order for this user. An operator may not: he helps with orders, and spends nobody's money. */
export const maySpend = (caller: Caller, userId: string): boolean =>
  caller._tag === "Anyone" || caller.userId === userId

/** Whether the caller has the scope for putting money on accounts. */
export const canFund = (caller: Caller): boolean => caller._tag === "Anyone" || caller.canFund

/** Whether the caller may put money on this user's account. */
export const mayFund = (caller: Caller, userId: string): boolean => canFund(caller) && maySee(caller, userId)

/** Whose an `Idempotency-Key` is: the caller's, or `otherwise`'s where nobody is asked who he is. */
export const keyOwner = (caller: Caller, otherwise: string): string =>
  caller._tag === "Anyone" ? otherwise : caller.userId
