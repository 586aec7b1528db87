import { SqlError } from "@effect/sql"
import { describe, expect, it } from "vitest"
import { isTechnical, isUnreachable } from "../src/SqlFaults.js"

const fault = (code: string) =>
  new SqlError.SqlError({ cause: Object.assign(new Error(code), { severity: "ERROR", code }) })

describe("what a database answers", () => {
  it.each([
    ["53100", "a full disk"],
    ["53300", "too many connections"],
    ["57P01", "a shutdown"],
    ["25006", "a standby that cannot be written to"],
    ["08006", "a connection that broke"],
  ])("%s, %s, is told as the whole server being out of reach", (code) => {
    expect([isUnreachable(fault(code)), isTechnical(fault(code))]).toEqual([true, true])
  })

  it.each([
    ["40001", "a serialization failure"],
    ["40P01", "a deadlock"],
    ["55P03", "a lock that was not given in time"],
    ["57014", "a statement that took too long"],
    ["25P03", "a transaction that was ended for idling"],
  ])("%s, %s, passes, and says nothing about other statements", (code) => {
    expect([isUnreachable(fault(code)), isTechnical(fault(code))]).toEqual([false, true])
  })

  it.each([
    ["23505", "a row that is there already"],
    ["22003", "a number that is too large"],
    ["42601", "a statement that is none"],
  ])("%s, %s, will not pass by itself", (code) => {
    expect([isUnreachable(fault(code)), isTechnical(fault(code))]).toEqual([false, false])
  })

  it("is no fault of the server when the driver itself fails", () => {
    expect(isTechnical(new SqlError.SqlError({ cause: new TypeError("a bug") }))).toBe(false)
    expect(isUnreachable(new SqlError.SqlError({ cause: new Error("connection refused") }))).toBe(true)
  })
})
