/** One trial of the auditor: a leak is planted, looked for, removed, and looked for again. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CensusReport, census } from '../../packages/server/src/audit/census.ts'
import { observeDaemon } from '../../packages/server/src/audit/control-plane.ts'
import type { Finding } from '../../packages/server/src/audit/finding.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import type { Leak, Planted, Subject } from './audit-leaks.ts'
import { eventually } from './vmm.ts'

/** How the auditor did. */
export interface Trial {
  readonly leak: Pick<Leak, 'invariant' | 'name'>
  /** Whether a finding of its invariant names it. */
  readonly isFound: boolean
  /** Findings about anything else while it was there, and any after it was removed. */
  readonly falseAlarms: readonly string[]
}

/** Takes the census of an installation at rest. */
export async function settledCensus({ dataDir }: Pick<Subject, 'dataDir'>): Promise<CensusReport> {
  return census({
    dataDir,
    database: `sqlite:${join(dataDir, 'alcove.db')}`,
    isSettled: true,
    credentials: [JSON.parse(await readFile(join(dataDir, 'credentials.json'), 'utf8'))],
  })
}

/** Tries one leak. What was planted is removed whatever happens. */
export async function tryLeak(leak: Leak, subject: Subject): Promise<Trial> {
  const falseAlarms: string[] = []
  const planted = await leak.plant(subject)
  const findings = await settledCensus(subject)
    .then((report) => report.findings)
    .finally(planted.remove)
  const isIts = ({ invariant, object }: Finding) => invariant === leak.invariant && object.includes(planted.object)
  falseAlarms.push(...findings.filter((finding) => !isIts(finding)).map((finding) => `meanwhile: ${lineOf(finding)}`))
  falseAlarms.push(...(await settledCensus(subject)).findings.map((finding) => `after: ${lineOf(finding)}`))
  const { invariant, name } = leak
  return { leak: { invariant, name }, isFound: findings.some(isIts), falseAlarms }
}

/**
 * The leak of the daemon itself: it opens the door of its debugger. Only its end closes that again, which is what `restart` does.
 * The daemon must have been started with `NODE_OPTIONS=--inspect-port=0`, so that the door is one that nobody uses.
 */
export function debuggerLeak(pid: () => number, restart: () => Promise<unknown>): Leak {
  return {
    invariant: 'N13',
    name: 'a listener that nobody asked for',
    async plant(subject): Promise<Planted> {
      process.kill(pid(), 'SIGUSR1')
      // The debugger opens its door in a thread of its own.
      await eventually('the debugger listens', async () => ((await observeDaemon(pid(), subject.dataDir, systemClock))?.listeners.length ?? 0) > 1)
      return { object: 'daemon listener 127.0.0.1:', remove: async () => void (await restart().then(() => atRest(subject))) }
    },
  }
}

/** Waits until a daemon that just started has looked at everything. */
async function atRest(subject: Subject): Promise<void> {
  await eventually('the daemon is at rest', async () => (await settledCensus(subject)).verdict === 'clean').catch(() => {})
}

function lineOf({ invariant, object, message }: Finding): string {
  return `${invariant} ${object}: ${message}`
}
