import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

/**
 * Which orders wait for the answer to a cancellation or a refund, and how far every order has had its first answer. Both stand beside the
 * orders, for an index there on anything that a settlement changes would cost every settlement its heap-only update.
 */
export const asks = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE order_asks (
      order_id uuid PRIMARY KEY REFERENCES orders,
      asked_at timestamptz(3) NOT NULL
    ) WITH (fillfactor = 70)`
  yield* sql`CREATE INDEX order_asks_by_age ON order_asks (asked_at)`
  yield* sql`
    CREATE TABLE first_answers (
      single boolean PRIMARY KEY DEFAULT true CHECK (single),
      below uuid NOT NULL
    )`
  yield* sql`INSERT INTO first_answers (below) VALUES ('00000000-0000-0000-0000-000000000000')`
  yield* sql`
    ALTER TABLE orders
      ADD CONSTRAINT orders_cancellation_has_its_reason CHECK (
        (cancel_asked_at IS NULL) = (cancel_reason IS NULL)
        AND (cancel_reason IS NULL OR cancel_reason IN ('CancelledByUser', 'PaymentTimeout'))
      ),
      ADD CONSTRAINT orders_cancellation_ends_cancelled CHECK (
        cancel_asked_at IS NULL OR status IN ('NEW', 'CANCELLED')
      ),
      ADD CONSTRAINT orders_refund_is_of_a_paid_order CHECK (
        refund_asked_at IS NULL OR status IN ('FINISHED', 'REFUNDED')
      )`
})
