/** What the fake's VMs are made of: one file each, so that they outlive a driver as processes outlive a daemon. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { VmExit, VmHandle } from '../driver.ts'

/** A fake VM. */
export interface FakeVmState {
  readonly handle: VmHandle
  readonly status: 'prelaunch' | 'running' | 'paused' | 'io-error'
  /** Whether it stopped answering. */
  readonly isWedged: boolean
  /** Set once it ended. */
  readonly exit: VmExit | null
}

/** The VMs below a directory. All calls are synchronous: what one does is whole for every driver on the directory. */
export interface FakeStore {
  /** Takes the lock and writes the VM; `false` when a live VM holds the lock. */
  start(state: FakeVmState): boolean
  find(bootId: string): FakeVmState | undefined
  list(): readonly FakeVmState[]
  change(bootId: string, change: Partial<FakeVmState>): void
  isLocked(lockPath: string): boolean
  remove(bootId: string): void
}

/** Opens the store at `directory`, making it if need be. */
export function openFakeStore(directory: string): FakeStore {
  mkdirSync(directory, { recursive: true })
  const fileOf = (bootId: string) => join(directory, `${bootId}.json`)
  const lockOf = (lockPath: string) => join(directory, `${createHash('sha256').update(lockPath).digest('hex')}.lock`)
  const read = (path: string): FakeVmState | undefined => {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as FakeVmState
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
  const write = (state: FakeVmState) => {
    const path = fileOf(state.handle.bootId)
    writeFileSync(`${path}.tmp`, JSON.stringify(state))
    renameSync(`${path}.tmp`, path)
  }
  const isLocked = (lockPath: string) => {
    const holder = read(lockOf(lockPath))
    return holder !== undefined && read(fileOf(holder.handle.bootId))?.exit === null
  }
  return {
    isLocked,
    start(state) {
      if (isLocked(state.handle.lockPath)) return false
      write(state)
      writeFileSync(lockOf(state.handle.lockPath), JSON.stringify(state))
      return true
    },
    find: (bootId) => read(fileOf(bootId)),
    list: () =>
      readdirSync(directory)
        .filter((name) => name.endsWith('.json'))
        .flatMap((name) => read(join(directory, name)) ?? []),
    change(bootId, change) {
      const state = read(fileOf(bootId))
      // An end is final, as with a process.
      if (state && state.exit === null) write({ ...state, ...change })
    },
    remove: (bootId) => rmSync(fileOf(bootId), { force: true }),
  }
}
