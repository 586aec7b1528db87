import { SqlClient, type SqlError } from "@effect/sql"
import type { Order } from "@tandem/contracts/http/OrdersApi"
import { Effect } from "effect"
import { columns, fromRow, type OrderRow } from "./Orders.js"

/** Orders by their ids, whoever's they are; what there is no order of is left out. */
export const findOrders = (
  ids: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, Order>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<OrderRow>`SELECT ${columns(sql)} FROM orders WHERE id = ANY(${ids}::uuid[])`
    return new Map(rows.map((row) => [row.id, fromRow(row)]))
  })
