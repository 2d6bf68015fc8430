/** What goes to standard output. */

/** Prints text as it is. */
export function print(text: string): void {
  process.stdout.write(text)
}

/** Prints one JSON document on one line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** Columns of the terminal that reads standard output; undefined when it is a file or a pipe, or does not know (some say 0). */
export function outputWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns || undefined : undefined
}
