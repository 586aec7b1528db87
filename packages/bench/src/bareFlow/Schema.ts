/** The tables of the order side, as the service has them, without what checks their content. */
export const orderSchema = `
  CREATE TABLE orders (
    id uuid PRIMARY KEY, user_id text NOT NULL, amount bigint NOT NULL, status text NOT NULL, version integer NOT NULL,
    created_at timestamptz(3) NOT NULL, settled_at timestamptz(3)
  ) WITH (fillfactor = 70);
  CREATE INDEX orders_by_user ON orders (user_id, id DESC);
  CREATE TABLE notification_counters (user_id text PRIMARY KEY, seq bigint NOT NULL) WITH (fillfactor = 50);
  CREATE TABLE notifications (
    user_id text, seq bigint, order_id uuid NOT NULL, amount bigint NOT NULL, status text NOT NULL,
    at timestamptz(3) NOT NULL, PRIMARY KEY (user_id, seq)
  );`

/** The tables of the payment side, likewise. */
export const paymentSchema = `
  CREATE TABLE accounts (user_id text PRIMARY KEY, balance bigint NOT NULL, version bigint NOT NULL) WITH (fillfactor = 50);
  CREATE TABLE payments (
    order_id uuid PRIMARY KEY, user_id text NOT NULL, amount bigint NOT NULL, status text NOT NULL,
    decided_at timestamptz(3) NOT NULL
  );
  CREATE TABLE transfers (
    account text, account_version bigint, order_id uuid NOT NULL, amount bigint NOT NULL, balance_after bigint NOT NULL,
    PRIMARY KEY (account, account_version)
  );`

/** What both sides have. */
export const messagingSchema = `
  CREATE TABLE outbox_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, key text NOT NULL, value text NOT NULL
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
  CREATE TABLE inbox_events (message_id uuid PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now());`
