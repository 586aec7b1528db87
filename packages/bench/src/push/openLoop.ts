/** Starts `operation` so many times a second, whether or not the last ones are through; done when all of them have ended. */
export const openLoop = async (
  perSecond: number,
  seconds: number,
  operation: (sequence: number) => Promise<void>,
): Promise<void> => {
  const total = perSecond * seconds
  const running: Array<Promise<void>> = []
  const start = performance.now()
  while (running.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - start) * perSecond) / 1_000))
    while (running.length < due) running.push(operation(running.length))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(running)
}
