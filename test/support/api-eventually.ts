/** Waiting for what a server does after it has answered. */
import { setTimeout as wait } from 'node:timers/promises'

/** Asks until it is so. @throws when it is not within `ms` */
export async function eventually(isSo: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const giveUpAt = performance.now() + ms
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`it is still not so after ${ms} ms: ${isSo}`)
    await wait(10)
  }
}
