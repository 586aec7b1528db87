import type { SqlClient, Statement } from "@effect/sql"

/**
 * The history append of a settlement: which moment of an order's row a new status fills in. `status` and `at` name the columns
 * of the statement's source; a moment that is already there stays.
 */
export const append = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql`settled_at = coalesce(orders.settled_at, changed.at),
      refunded_at = CASE WHEN changed.status = 'REFUNDED' THEN changed.at ELSE orders.refunded_at END`
