/** A JSON Schema, as far as it is looked into. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | ReadonlyArray<string>
  readonly const?: unknown
  readonly enum?: ReadonlyArray<unknown>
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly oneOf?: ReadonlyArray<JsonSchema>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: boolean | JsonSchema
  readonly items?: JsonSchema
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
}

/** A schema with the document that its references lead into. */
export interface Located {
  readonly schema: JsonSchema
  readonly resolve: (reference: string) => JsonSchema
}

/** The lower bounds, and the upper ones. */
const lower = ["minimum", "minLength", "minItems"] as const
const upper = ["maximum", "maxLength", "maxItems"] as const

/** Deeper than any schema of ours; a schema that holds itself ends here. */
const maximumDepth = 12

/**
 * What `wide` allows and `narrow` does not, place by place. Nothing when every value of `wide` is one of `narrow`, as far as the
 * keywords tell that the contracts use.
 *
 * @param ignoresMore whoever reads by `narrow` ignores fields that it does not know
 */
export const difference = (wide: Located, narrow: Located, ignoresMore: boolean): ReadonlyArray<string> =>
  compare(wide, narrow, ignoresMore, "", 0).map((line) => line.replace(/^: /, ""))

const compare = (a: Located, b: Located, ignoresMore: boolean, at: string, depth: number): ReadonlyArray<string> => {
  if (depth > maximumDepth) return []
  const [wide, narrow] = [resolved(a), resolved(b)]
  const inside = (first: JsonSchema, second: JsonSchema, where: string) =>
    compare({ ...a, schema: first }, { ...b, schema: second }, ignoresMore, where, depth + 1)

  const wideVariants = wide.anyOf ?? wide.oneOf
  const narrowVariants = narrow.anyOf ?? narrow.oneOf
  if (wideVariants !== undefined || narrowVariants !== undefined) {
    return (wideVariants ?? [wide]).flatMap((variant) => {
      const misses = (narrowVariants ?? [narrow]).map((other) => inside(variant, other, at))
      if (misses.some((miss) => miss.length === 0)) return []
      const [only] = misses
      return misses.length === 1 && only !== undefined ? only : [`${at}: the variant ${nameOf(variant)}`]
    })
  }

  const values = valuesOf(wide)
  const allowed = valuesOf(narrow)
  if (allowed !== undefined) {
    if (values === undefined) return [`${at}: values other than ${allowed.join(", ")}`]
    return values.filter((value) => !allowed.includes(value)).map((value) => `${at}: the value ${value}`)
  }

  const types = typesOf(narrow)
  const others = typesOf(wide).filter(
    (type) => !types.includes(type) && !(type === "integer" && types.includes("number")),
  )
  if (types.length > 0 && (others.length > 0 || typesOf(wide).length === 0)) {
    return [`${at}: the type ${others.length > 0 ? others.join(", ") : "of anything"}`]
  }
  return [
    ...lower.flatMap((bound) => {
      const limit = narrow[bound]
      return limit !== undefined && (wide[bound] ?? Number.NEGATIVE_INFINITY) < limit
        ? [`${at}: below ${bound} ${limit}`]
        : []
    }),
    ...upper.flatMap((bound) => {
      const limit = narrow[bound]
      return limit !== undefined && (wide[bound] ?? Number.POSITIVE_INFINITY) > limit
        ? [`${at}: above ${bound} ${limit}`]
        : []
    }),
    ...(["pattern", "format"] as const).flatMap((keyword) =>
      values === undefined && narrow[keyword] !== undefined && wide[keyword] !== narrow[keyword]
        ? [`${at}: without the ${keyword} ${narrow[keyword]}`]
        : [],
    ),
    ...(wide.items !== undefined && narrow.items !== undefined ? inside(wide.items, narrow.items, `${at}/*`) : []),
    ...(narrow.required ?? [])
      .filter((name) => !wide.required?.includes(name))
      .map((name) => `${at}/${name}: its absence`),
    ...Object.entries(wide.properties ?? {}).flatMap(([name, property]) => {
      const other = narrow.properties?.[name]
      if (other !== undefined) return inside(property, other, `${at}/${name}`)
      return narrow.additionalProperties === false && !ignoresMore ? [`${at}/${name}: its presence`] : []
    }),
    ...(narrow.additionalProperties === false &&
    wide.type === "object" &&
    wide.additionalProperties !== false &&
    !ignoresMore
      ? [`${at}: further fields`]
      : []),
  ]
}

const resolved = ({ schema, resolve }: Located): JsonSchema =>
  schema.$ref === undefined ? schema : resolved({ schema: resolve(schema.$ref), resolve })

const typesOf = ({ type, properties }: JsonSchema): ReadonlyArray<string> =>
  type === undefined ? (properties === undefined ? [] : ["object"]) : typeof type === "string" ? [type] : type

/** The values of an enumeration, as JSON; undefined when it is none. */
const valuesOf = ({ const: only, enum: values }: JsonSchema): ReadonlyArray<string> | undefined =>
  (only === undefined ? values : [only])?.map((value) => JSON.stringify(value))

const nameOf = (schema: JsonSchema): string =>
  schema.$ref?.split("/").at(-1) ?? valuesOf(schema)?.join(", ") ?? typesOf(schema).join(", ")
