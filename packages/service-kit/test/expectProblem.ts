import { expect } from "@effect/vitest"
import { type InvalidField, type ProblemKind, problems } from "@tandem/contracts/Problem"
import { secret } from "./SampleApi.js"
import type { Answer } from "./server.js"

/** The answer is this problem and nothing else: the media type, the fields of the contract, the headers of every answer, nothing leaked. */
export const expectProblem = (answer: Answer, kind: ProblemKind, errors?: ReadonlyArray<Partial<InvalidField>>) => {
  const body: Record<string, unknown> = answer.text === "" ? {} : JSON.parse(answer.text)
  expect(body).toMatchObject({
    type: `urn:tandem:problem:${kind}`,
    status: problems[kind].status,
    title: problems[kind].title,
  })
  expect(body["detail"]).toMatch(/^[A-Z].*\.$/)
  expect(Object.keys(body).filter((key) => !["type", "title", "status", "detail", "errors"].includes(key))).toEqual([])
  expect(answer.status).toBe(problems[kind].status)
  expect(answer.headers["content-type"]).toBe("application/problem+json")
  expectGuarded(answer)
  expect(answer.text).not.toContain(secret)
  expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d+/)
  if (errors === undefined) expect(body["errors"]).toBeUndefined()
  else expect(body["errors"]).toEqual(errors.map((error) => expect.objectContaining(error)))
}

/** The headers that no answer may be without, and those that none may have. */
export const expectGuarded = ({ headers }: Answer) => {
  expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" })
  expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'")
  expect(headers).not.toHaveProperty("server")
  expect(headers).not.toHaveProperty("x-powered-by")
}
