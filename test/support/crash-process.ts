/** Real crashes of a process: its own next instruction is the fault. A signal sent from outside will not do, for QEMU is process 1 of its namespace. */
import { open, readFile } from 'node:fs/promises'
import { eventually } from './vmm.ts'

/** Makes the main thread read from address 0 as soon as it wakes. */
export const crashBySegv = (pid: number) => overwriteNext(pid, [0x48, 0x31, 0xc0, 0x48, 0x8b, 0x00]) // xor rax, rax; mov rax, [rax]

/** Makes the main thread run an instruction that there is not. */
export const crashByIll = (pid: number) => overwriteNext(pid, [0x0f, 0x0b]) // ud2

/** Writes code where the main thread goes on after its system call, and wakes it. @see proc(5), /proc/PID/syscall */
async function overwriteNext(pid: number, code: readonly number[]): Promise<void> {
  const next = await eventually('the process waits in a system call', async () => {
    const fields = (await readFile(`/proc/${pid}/syscall`, 'utf8')).trim().split(' ')
    return fields.length === 9 && Number(fields[8])
  })
  const memory = await open(`/proc/${pid}/mem`, 'r+')
  try {
    await memory.write(Buffer.from(code), 0, code.length, next)
  } finally {
    await memory.close()
  }
  // Whatever it waits for is interrupted, and it runs on; it may have woken by itself.
  try {
    process.kill(pid, 'SIGSTOP')
    process.kill(pid, 'SIGCONT')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
