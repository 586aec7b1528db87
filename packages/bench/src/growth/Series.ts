/** How a figure changes with something that grows. */
export interface Series {
  readonly name: string
  readonly unit: string
  /** What grows. */
  readonly by: string
  /** In the order of what grows; several values are several runs. */
  readonly points: ReadonlyArray<{ readonly at: number; readonly values: ReadonlyArray<number> }>
}

/** Measures at each size, round by round, so that what disturbs the machine for a while does not hit one size alone. */
export const series = async (
  options: Omit<Series, "points"> & { readonly sizes: ReadonlyArray<number>; readonly runs: number },
  measure: (size: number) => Promise<number>,
): Promise<Series> => {
  const { name, unit, by, sizes, runs } = options
  const values = new Map(sizes.map((size) => [size, [] as Array<number>]))
  for (let run = 0; run < runs; run++) for (const [size, some] of values) some.push(await measure(size))
  return { name, unit, by, points: [...values].map(([at, some]) => ({ at, values: some })) }
}
