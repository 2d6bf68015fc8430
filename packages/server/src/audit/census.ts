/**
 * Reads kernel, disk and database of an installation and says what is where it should not be, or missing. It asks the daemon nothing
 * (its usage excepted, which is what is compared) and changes nothing, so it may run at any time, by anybody who may read it all.
 *
 * Requests may be under way meanwhile. What moves, or changed between the first and the last reading of the rows, is not judged; and what
 * was found must be found again at a second look, since a VM may end by itself and its daemon needs a moment to notice.
 */
import { realpath } from 'node:fs/promises'
import type { Listener } from '../config.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/fail.ts'
import { compareAllocations } from './allocations.ts'
import { compareGroups, observeGroups } from './cgroups.ts'
import { compareControlPlane, observeControlPlane } from './control-plane.ts'
import { compareDeadlines } from './deadlines.ts'
import { compareFiles, observeFiles } from './files.ts'
import { type Finding, type Invariant, type Judgement, notes } from './finding.ts'
import { compareFlows, observeFlows } from './flows.ts'
import { compareIdentities, observeIdentities } from './identity.ts'
import { compareImages, observeImages } from './images.ts'
import { compareIntegrity, observeIntegrity } from './integrity.ts'
import { type Known, know } from './known.ts'
import { compareLinks, observeLinks } from './links.ts'
import { compareMounts, observeMounts } from './mounts.ts'
import { type AuditCredentials, namesOf, type Place } from './place.ts'
import { compareProcesses, observeProcesses } from './processes.ts'
import { openToRead, type ReadDatabase, readDeleted, readRows, readTouched } from './read-database.ts'
import { compareRules, observeRules } from './rules.ts'
import { compareUsage, observeUsage } from './usage.ts'

/** What to look at, and how. */
export interface CensusOptions {
  readonly dataDir: string
  /** Database URL, as in the configuration. */
  readonly database: string
  /** Where the daemon was told to listen, as far as the configuration says. */
  readonly listen?: readonly Listener[]
  /** Accounts whose usage is asked of the API; without any it is recounted only. */
  readonly credentials?: readonly AuditCredentials[]
  /** Nobody asks anything of the daemon: whatever moves is a finding, so is any temporary file, and one look decides. */
  readonly isSettled?: boolean
  /** Whether to read images whole; default true. */
  readonly hashImages?: boolean
  readonly clock?: Clock
}

/** What the census says. */
export interface CensusReport {
  readonly verdict: 'clean' | 'leaks'
  readonly findings: readonly Finding[]
  /** How many of what were looked at, by invariant. */
  readonly checked: Readonly<Record<Invariant, Readonly<Record<string, number>>>>
  readonly durationMs: number
}

/** Time after which a finding must still be there, ms: more than a daemon takes to settle a VM that ended by itself. */
const secondLookMs = 3_000

/** Takes the census. @throws service_unavailable when the database cannot be read; not_found when nothing was ever served from it */
export async function census(options: CensusOptions): Promise<CensusReport> {
  const { clock = systemClock, isSettled = false } = options
  const began = clock.monotonic()
  const database = await openToRead(options.database)
  try {
    const first = await look(options, database, clock)
    const findings = first.flatMap(([, judgement]) => judgement.findings)
    const confirmed = isSettled || findings.length === 0 ? findings : await confirm(options, database, clock, findings)
    return {
      verdict: confirmed.length === 0 ? 'clean' : 'leaks',
      findings: confirmed,
      checked: Object.fromEntries(first.map(([invariant, { checked }]) => [invariant, checked])) as CensusReport['checked'],
      durationMs: Math.round(clock.monotonic() - began),
    }
  } finally {
    await database.close()
  }
}

async function confirm(options: CensusOptions, database: ReadDatabase, clock: Clock, findings: readonly Finding[]): Promise<Finding[]> {
  await clock.sleep(secondLookMs)
  const again = (await look(options, database, clock)).flatMap(([, judgement]) => judgement.findings)
  return again.filter(({ invariant, object }) => findings.some((one) => one.invariant === invariant && one.object === object))
}

async function look(options: CensusOptions, database: ReadDatabase, clock: Clock): Promise<[Invariant, Judgement][]> {
  const before = await readRows(database)
  const place: Place = {
    ...{ dataDir: options.dataDir, realDataDir: await realpath(options.dataDir), names: namesOf(before), before, database, now: clock.now() },
    ...{ listen: options.listen ?? [], credentials: options.credentials ?? [] },
    ...{ isSettled: options.isSettled ?? false, hashImages: options.hashImages ?? true },
  }
  const judges = await Promise.all(parts(place, clock).map(async ([invariant, part]) => [invariant, await observed(invariant, part)] as const))
  const after = await readRows(database)
  const touched = await readTouched(database, before.lastEvent)
  const judged = (deleted: ReadonlySet<string>) => {
    const known = know(before, after, touched, deleted)
    return { known, judgements: judges.map(([invariant, judge]): [Invariant, Judgement] => [invariant, judge(known)]) }
  }
  // Whoever has no row is judged again once it is known whether it was deleted: that costs no further look at the host.
  const { known, judgements } = judged(new Set())
  return known.strangers.size === 0 ? judgements : judged(await readDeleted(database, known.strangers)).judgements
}

type Judge = (known: Known) => Judgement

/** A part that could not look says so: what was not seen is not clean. */
async function observed(invariant: Invariant, part: () => Promise<Judge>): Promise<Judge> {
  try {
    return await part()
  } catch (error) {
    const { findings, add } = notes(invariant)
    add('census', `It could not be looked at: ${messageOf(error)}`, 'run alcove doctor as root on the host of the daemon')
    return () => ({ findings, checked: {} })
  }
}

/** Each part reads the host and returns how to judge what it read. */
function parts(place: Place, clock: Clock): [Invariant, () => Promise<Judge>][] {
  const { names } = place
  const judging = <T>(observe: Promise<T>, compare: (known: Known, seen: T) => Judgement) => observe.then((seen) => (known: Known) => compare(known, seen))
  return [
    ['N1', () => judging(observeProcesses(place), compareProcesses)],
    ['N2', () => judging(observeIdentities(place), compareIdentities)],
    ['N3', () => judging(observeLinks(place), (known, seen) => compareLinks(known, names, seen))],
    ['N4', () => judging(observeRules(place), (known, seen) => compareRules(known, names, seen))],
    ['N5', () => judging(observeFlows(place), compareFlows)],
    ['N6', () => judging(observeGroups(place), compareGroups)],
    ['N7', () => judging(observeFiles(place), (known, seen) => compareFiles(known, seen, place))],
    ['N8', () => judging(observeImages(place), compareImages)],
    ['N9', async () => (known) => compareAllocations(known, place.now)],
    ['N10', () => judging(observeUsage(place), (known, seen) => compareUsage(known, place.before, seen))],
    ['N11', async () => (known) => compareDeadlines(known, place)],
    ['N12', () => judging(observeMounts(), (_known, seen) => compareMounts(place, seen))],
    ['N13', () => judging(observeControlPlane(place, clock), (_known, seen) => compareControlPlane(seen))],
    ['N14', () => judging(observeIntegrity(place.database), (_known, seen) => compareIntegrity(seen))],
  ]
}
