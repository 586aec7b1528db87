import type { Schedule } from "./Schedule.js"

/** Leaves out what a failure does not need: of ever smaller parts of a list each is left out, and stays out if it still fails. */
const shrunk = async <A>(
  list: ReadonlyArray<A>,
  fails: (rest: ReadonlyArray<A>) => Promise<boolean>,
): Promise<ReadonlyArray<A>> => {
  let rest = list
  for (let size = Math.ceil(rest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < rest.length; ) {
      const without = [...rest.slice(0, from), ...rest.slice(from + size)]
      if (await fails(without)) rest = without
      else from += size
    }
  }
  return rest
}

/** The least of a failing schedule that still fails: first fewer faults, then fewer operations, then fewer instances. */
export const shrink = async (
  schedule: Schedule,
  fails: (schedule: Schedule) => Promise<boolean>,
): Promise<Schedule> => {
  const faults = await shrunk(schedule.faults, (rest) => fails({ ...schedule, faults: rest }))
  const fewer = { ...schedule, faults }
  const operations = await shrunk(fewer.operations, (rest) => fails({ ...fewer, operations: rest }))
  const shorter = { ...fewer, operations }
  const spare = shorter.instances.filter((name) => name.endsWith("2"))
  const needed = await shrunk(spare, (rest) =>
    fails({ ...shorter, instances: shorter.instances.filter((name) => !spare.includes(name) || rest.includes(name)) }),
  )
  return { ...shorter, instances: shorter.instances.filter((name) => !spare.includes(name) || needed.includes(name)) }
}
