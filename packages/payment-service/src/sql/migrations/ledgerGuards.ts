import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

/** The running sum of a window that leaves out what would take it over `room`: how top-ups share what the funding limit leaves. */
export const sumWithin = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION add_within(so_far bigint, amount bigint, room bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
      RETURN CASE WHEN so_far + amount <= room THEN so_far + amount ELSE so_far END;
    END $$`
  yield* sql`CREATE AGGREGATE sum_within(amount bigint, room bigint) (SFUNC = add_within, STYPE = bigint, INITCOND = '0')`
})

/**
 * What no key and no CHECK can say, for whoever writes with psql too: no account moves without its transfers, no transfer is there
 * without its account and its payment, no payment without its transfers, and what is written stays. Accounts, payments and
 * transfers of one change are one statement, at whose end each guard looks at all of its rows at once: a foreign key or a row-level
 * trigger, deferred or not, costs a call a row (docs/adr/0006). The guards follow the keys whatever the planner thinks (lateral, OFFSET 0,
 * no sequential scans), for their plans are made once, perhaps on empty tables: joins made there took the square of a batch.
 */
export const ledgerGuards = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION ledger_violation(rule text, culprit text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '%: %', replace(rule, '_', ' '), culprit USING ERRCODE = 'check_violation', CONSTRAINT = rule;
    END $$`
  yield* accountsMoveWithTheirTransfers
  yield* transfersHaveTheirAccountAndPayment
  yield* sql`
    CREATE TRIGGER transfers_inserted AFTER INSERT ON transfers
    REFERENCING NEW TABLE AS entered FOR EACH STATEMENT EXECUTE FUNCTION transfers_inserted()`
  yield* paymentsHaveTheirTransfers
  for (const event of ["insert", "update"]) {
    yield* sql.unsafe(`
      CREATE TRIGGER payments_decided_by_${event} AFTER ${event} ON payments
      REFERENCING NEW TABLE AS decided FOR EACH STATEMENT EXECUTE FUNCTION payments_decided()`)
  }
  yield* whatIsWrittenStays
})

/** The two guards that first joined instead of following the keys, anew. */
export const guardsFollowKeys = Effect.suspend(() =>
  Effect.zipRight(transfersHaveTheirAccountAndPayment, paymentsHaveTheirTransfers),
)

/** The lines that an account got lead from what it was to what it is: a version each, each from the balance of the one before. */
const accountsMoveWithTheirTransfers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const guard = (name: string, before: string) =>
    sql.unsafe(`
      CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
      DECLARE culprit text;
      BEGIN
        SELECT user_id INTO culprit
        FROM (
          -- Grouped and not joined: a join that was planned for one account takes the square of five hundred.
          SELECT user_id, coalesce(max(v0), 0) AS v0, coalesce(max(b0), 0) AS b0, coalesce(max(f0), 0) AS f0,
            max(v1) AS v1, max(b1) AS b1, max(f1) AS f1
          FROM (
            SELECT user_id, NULL::bigint AS v0, NULL::bigint AS b0, NULL::bigint AS f0, version AS v1, balance AS b1,
              funded AS f1
            FROM after ${before}
          ) AS side
          GROUP BY user_id
        ) AS moved
        CROSS JOIN LATERAL (
          SELECT count(*) AS lines, coalesce(max(account_version), v0) AS last, coalesce(sum(change), 0) AS change,
            coalesce(sum(change) FILTER (WHERE kind = 'topup'), 0) AS topped_up,
            coalesce(bool_and(balance_after = b0 + so_far), true) AS chained
          FROM (
            SELECT account_version, kind, balance_after, change, sum(change) OVER (ORDER BY account_version) AS so_far
            FROM (
              SELECT account_version, kind, balance_after,
                CASE kind WHEN 'payment' THEN -amount ELSE amount END AS change
              FROM transfers WHERE account = 'user:' || user_id AND account_version > v0
            ) AS entry
          ) AS line
        ) AS ledger
        WHERE (lines, last, change, topped_up, chained) IS DISTINCT FROM (v1 - v0, v1, b1 - b0, f1 - f0, true)
        LIMIT 1;
        IF FOUND THEN PERFORM ledger_violation('accounts_move_with_their_transfers', culprit); END IF;
        RETURN NULL;
      END $$`)
  yield* guard("accounts_inserted", "")
  yield* guard("accounts_updated", "UNION ALL SELECT user_id, version, balance, funded, NULL, NULL, NULL FROM before")
  yield* sql`
    CREATE TRIGGER accounts_inserted AFTER INSERT ON accounts
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION accounts_inserted()`
  yield* sql`
    CREATE TRIGGER accounts_updated AFTER UPDATE ON accounts
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION accounts_updated()`
})

/** No line is ahead of its account, and one that pays or refunds an order says what its payment says. */
const transfersHaveTheirAccountAndPayment = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE OR REPLACE FUNCTION transfers_inserted() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
    DECLARE culprit text;
    BEGIN
      SELECT last.account INTO culprit
      FROM (SELECT account, max(account_version) AS version FROM entered GROUP BY account) AS last
      LEFT JOIN LATERAL (SELECT version FROM accounts WHERE user_id = substr(last.account, 6) OFFSET 0) AS moved ON true
      WHERE moved.version IS NULL OR moved.version < last.version
      LIMIT 1;
      IF FOUND THEN PERFORM ledger_violation('transfers_move_their_account', culprit); END IF;

      SELECT entered.order_id INTO culprit
      FROM entered
      LEFT JOIN LATERAL (
        SELECT user_id, amount, status, balance_after FROM payments WHERE order_id = entered.order_id OFFSET 0
      ) AS payments ON true
      WHERE entered.kind <> 'topup' AND (
        entered.account, entered.amount, true,
        CASE entered.kind WHEN 'payment' THEN entered.balance_after ELSE payments.balance_after END
      ) IS DISTINCT FROM (
        'user:' || payments.user_id, payments.amount,
        payments.status = 'REFUNDED' OR payments.status = 'SUCCEEDED' AND entered.kind = 'payment',
        payments.balance_after
      )
      LIMIT 1;
      IF FOUND THEN PERFORM ledger_violation('transfers_agree_with_their_payment', culprit); END IF;
      RETURN NULL;
    END $$`
})

/** A payment that took money has the line that took it, and one that gave it back the other too; what they say is their guard's. */
const paymentsHaveTheirTransfers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE OR REPLACE FUNCTION payments_decided() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
    DECLARE culprit text;
    BEGIN
      SELECT decided.order_id INTO culprit
      FROM decided
      LEFT JOIN LATERAL (
        SELECT true AS found FROM transfers WHERE order_id = decided.order_id AND kind = 'payment' OFFSET 0
      ) AS paid ON true
      LEFT JOIN LATERAL (
        SELECT true AS found FROM transfers WHERE order_id = decided.order_id AND kind = 'refund' OFFSET 0
      ) AS refunded ON decided.status = 'REFUNDED'
      WHERE decided.status IN ('SUCCEEDED', 'REFUNDED') AND paid.found IS NULL
        OR decided.status = 'REFUNDED' AND refunded.found IS NULL
      LIMIT 1;
      IF FOUND THEN PERFORM ledger_violation('payments_have_their_transfers', culprit); END IF;
      RETURN NULL;
    END $$`
})

/** Lines are never changed, decisions only from paid to refunded, and nothing is deleted but all of it together. */
const whatIsWrittenStays = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM ledger_violation(TG_ARGV[0], TG_OP || ' ' || TG_TABLE_NAME);
    END $$`
  yield* sql`
    CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('transfers_stay')`
  yield* sql`
    CREATE TRIGGER accounts_stay BEFORE DELETE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('accounts_stay')`
  yield* sql`
    CREATE TRIGGER payments_stay BEFORE DELETE ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('payments_stay')`
  yield* sql`
    CREATE TRIGGER decisions_stay BEFORE UPDATE ON payments FOR EACH ROW
    WHEN ((old.status, new.status) IS DISTINCT FROM ('SUCCEEDED', 'REFUNDED')
      OR (old.order_id, old.user_id, old.amount, old.balance_after, old.decided_at)
        IS DISTINCT FROM (new.order_id, new.user_id, new.amount, new.balance_after, new.decided_at))
    EXECUTE FUNCTION refuse_change('decisions_stay')`
  yield* sql`
    CREATE FUNCTION emptied_together() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM accounts) OR EXISTS (SELECT FROM transfers) OR EXISTS (SELECT FROM payments) THEN
        PERFORM ledger_violation('the_ledger_is_emptied_together', TG_TABLE_NAME);
      END IF;
      RETURN NULL;
    END $$`
  for (const table of ["accounts", "transfers", "payments"]) {
    yield* sql.unsafe(`
      CREATE TRIGGER ${table}_emptied AFTER TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION emptied_together()`)
  }
})
