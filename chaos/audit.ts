/** The auditor of the product, asked as an operator asks it: it reads kernel, disk and database, never the daemon's memory. */
import { runAny } from '../packages/server/src/lib/subprocess.ts'
import { plainEnvironment, program } from '../test/support/daemon-process.ts'
import type { World } from './world.ts'

/** What the auditor said. */
export interface AuditReport {
  readonly verdict: 'clean' | 'leaks'
  readonly findings: readonly unknown[]
}

/** Runs `alcove doctor --audit --settled --json`: the load must rest. @throws when it gives no verdict */
export async function runAuditor({ files, inside }: Pick<World, 'files' | 'inside'>): Promise<AuditReport> {
  const flags = ['--data-dir', files.dataDir, '--config', files.config, '--artifacts', files.artifacts]
  const { exitCode, stdout, stderr } = await runAny(['env', ...inside, program, 'doctor', '--audit', '--settled', '--json', ...flags], {
    env: plainEnvironment(),
    timeoutMs: 60_000,
    maxBytes: 4 * 1024 ** 2,
  })
  let report: Partial<AuditReport> = {}
  try {
    report = JSON.parse(stdout)
  } catch {
    // Told below.
  }
  const { verdict, findings } = report
  if ((exitCode === 0 && verdict === 'clean') || (exitCode === 1 && verdict === 'leaks')) return { verdict, findings: findings ?? [] }
  throw new Error(`alcove doctor --audit gave no verdict: exit code ${exitCode}, ${(stderr || stdout).trim().slice(0, 500)}`)
}

/** The findings as lines for a result; `clean` when there are none. */
export function auditLines({ verdict, findings }: AuditReport): 'clean' | readonly string[] {
  return verdict === 'clean' ? 'clean' : findings.map((finding) => (typeof finding === 'string' ? finding : JSON.stringify(finding)))
}
