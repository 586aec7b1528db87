import { InvalidRequest } from "@tandem/contracts/http/Errors"
import type { InvalidField } from "@tandem/contracts/Problem"
import { Array, Effect, type ParseResult, SchemaAST } from "effect"

/** How a place is named: a JSON pointer (RFC 6901) into a body, or the name of a parameter of query, path or header. */
export type Place = "parameter" | "pointer"

type Path = ReadonlyArray<PropertyKey>

interface Finding {
  readonly path: Path
  /** Undefined for a field that the schema does not know. */
  readonly detail: string | undefined
}

/**
 * What a schema found wrong, an entry for each place, without a word of the input: problems are shown to people and kept in
 * logs, and what somebody sent must not get there this way. So an unknown field is told by the known ones, `known`.
 */
export const invalidFields = (
  issue: ParseResult.ParseIssue,
  place: Place,
  known: ReadonlyArray<string>,
): ReadonlyArray<InvalidField> => {
  const findings = collect(issue, [])
  const named = findings.flatMap(({ path, detail }) => (detail === undefined ? [] : [at(place, path, detail)]))
  return findings.length === named.length
    ? named
    : [...named, at(place, [], `has an unknown field; known are ${known.join(", ")}`)]
}

/** The 400 for these fields. */
export const invalidRequest = (errors: ReadonlyArray<InvalidField>): InvalidRequest =>
  new InvalidRequest({ detail: invalidRequestDetail, errors })

/** The `detail` of every 400 that comes with `errors`. */
export const invalidRequestDetail = "The request is invalid; errors says where and why."

const at = (place: Place, path: Path, detail: string): InvalidField =>
  place === "parameter"
    ? { parameter: path.map(String).join("."), detail }
    : { pointer: path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""), detail }

const collect = (issue: ParseResult.ParseIssue, path: Path): ReadonlyArray<Finding> => {
  const detail = written(issue)
  if (detail !== undefined) return [{ path, detail }]
  switch (issue._tag) {
    case "Pointer":
      return collect(issue.issue, path.concat(issue.path))
    case "Composite":
      return SchemaAST.isUnion(issue.ast)
        ? [{ path, detail: `must be ${expected(issue.ast)}` }]
        : Array.ensure(issue.issues).flatMap((inner) => collect(inner, path))
    case "Refinement":
    case "Transformation":
      return collect(issue.issue, path)
    case "Missing":
      return [{ path, detail: "is missing" }]
    case "Unexpected":
      return [{ path, detail: undefined }]
    case "Type":
      return [{ path, detail: `must be ${expected(issue.ast)}` }]
    case "Forbidden":
      return [{ path, detail: "cannot be read" }]
  }
}

/** The message that the schema's author wrote for this issue; one on an outer schema counts for an inner fault only with `override`. */
const written = (issue: ParseResult.ParseIssue): string | undefined => {
  if (!("ast" in issue)) return undefined
  const annotation = SchemaAST.getMessageAnnotation(issue.ast)
  if (annotation._tag === "None") return undefined
  const message = annotation.value(issue)
  const overrides = typeof message === "object" && !Effect.isEffect(message) && message.override
  const text = typeof message === "object" && !Effect.isEffect(message) ? message.message : message
  const isInner =
    (issue._tag === "Refinement" && issue.kind === "From") ||
    (issue._tag === "Transformation" && issue.kind !== "Transformation")
  return typeof text === "string" && (overrides || !isInner) ? text : undefined
}

const expected = (ast: SchemaAST.AST): string => {
  switch (ast._tag) {
    case "TypeLiteral":
      return "an object"
    case "TupleType":
      return "an array"
    case "StringKeyword":
      return "a string"
    case "NumberKeyword":
      return "a number"
    case "Transformation":
      return SchemaAST.isTypeLiteral(ast.from) ? "an object" : expected(ast.to)
    case "Union":
      return ast.types
        .filter((type) => !SchemaAST.isUndefinedKeyword(type))
        .map(expected)
        .join(" or ")
    default:
      return String(ast)
  }
}
