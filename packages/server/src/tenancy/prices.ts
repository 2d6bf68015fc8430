/** What a workspace costs an hour, where the operator has set prices. */
import type { EstimateAnswer } from '@alcove/contract'
import type { Amounts } from '../store/workspaces.ts'

/** Prices of an hour, in units of the currency. */
export interface Prices {
  /** Of one virtual CPU that is busy. */
  readonly cpu_hour: number
  readonly memory_gb_hour: number
  readonly disk_gb_hour: number
  readonly currency: string
}

/** Those of an operator who has set none. */
export const noPrices: Prices = { cpu_hour: 0, memory_gb_hour: 0, disk_gb_hour: 0, currency: 'USD' }

/** Estimates a workspace of a size: with idle CPUs, with CPUs that are busy half of the time, and always. */
export function estimate({ cpu_hour, memory_gb_hour, disk_gb_hour, currency }: Prices, size: Amounts): Omit<EstimateAnswer, 'success'> {
  const held = (size.memory_mb / 1024) * memory_gb_hour + (size.disk_mb / 1024) * disk_gb_hour
  const busy = size.cpus * cpu_hour
  const round = (value: number) => Math.round(value * 1e6) / 1e6
  return { estimate: { min: round(held), avg: round(held + busy / 2), max: round(held + busy) }, period: 'hour', currency }
}
