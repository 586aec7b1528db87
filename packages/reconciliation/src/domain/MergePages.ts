/** A page of rows in ascending order of id. `complete` when no row follows. */
export interface Page<A> {
  readonly rows: ReadonlyArray<A>
  readonly complete: boolean
}

/** What two pages of the same stretch of ids come to. */
export interface Merged<A, B> {
  /** Every id up to `through`, with what stands on either side. */
  readonly pairs: ReadonlyArray<readonly [A | undefined, B | undefined]>
  /** Everything up to this id is in the pairs; `undefined` when that is everything. */
  readonly through: string | undefined
}

/**
 * Joins two pages that begin after the same id. Rows beyond the end of the shorter stretch are left for the next pages, since the
 * other side's page does not reach that far. Ids compare as text, which for UUIDs in lower case is their order in PostgreSQL.
 */
export const mergePages = <A extends { readonly orderId: string }, B extends { readonly orderId: string }>(
  left: Page<A>,
  right: Page<B>,
): Merged<A, B> => {
  const ends = [left, right].flatMap(({ rows, complete }) => {
    const last = rows.at(-1)
    return complete || last === undefined ? [] : [last.orderId]
  })
  const through = ends.sort().at(0)
  const within = <C extends { readonly orderId: string }>(row: C | undefined): C | undefined =>
    row !== undefined && (through === undefined || row.orderId <= through) ? row : undefined
  const pairs: Array<readonly [A | undefined, B | undefined]> = []
  let l = 0
  let r = 0
  for (;;) {
    const a = within(left.rows[l])
    const b = within(right.rows[r])
    if (a === undefined && b === undefined) return { pairs, through }
    const takeA = a !== undefined && (b === undefined || a.orderId <= b.orderId)
    const takeB = b !== undefined && (a === undefined || b.orderId <= a.orderId)
    pairs.push([takeA ? a : undefined, takeB ? b : undefined])
    if (takeA) l++
    if (takeB) r++
  }
}
