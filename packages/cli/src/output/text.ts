/** Strings of servers and guests, made fit for a terminal. */

/** Control characters, and those that reorder or break lines without being seen. */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** Escapes what could move the cursor, recolour or reorder the text; for one line. */
export function escapeText(text: string): string {
  return text.replace(unsafe, escapeCharacter)
}

/** Escapes the lines of a log: as {@link escapeText}, but line ends, tabs and colours stay. */
export function escapeLog(text: string): string {
  // Colours are `ESC [ digits m`; they are ended by the caller.
  return text.replace(/\r(?=\n)/g, '').replace(safeColour, (part) => (part.length > 1 || part === '\n' || part === '\t' ? part : escapeText(part)))
}

/** Either a colour sequence, or any one character that could need escaping. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what this is about
const safeColour = /\u001b\[[0-9;]{0,32}m|[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** Columns a text takes on a terminal. Wide characters take two, combining ones none. */
export function textWidth(text: string): number {
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += isWide(segment) ? 2 : zeroWidth.test(segment) ? 0 : 1
  return width
}

/** Cuts a text to a width; what was cut ends with `…`. */
export function truncate(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    used += textWidth(segment)
    if (used > width - 1) break
    cut += segment
  }
  return `${cut}…`
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
const emoji = /\p{Emoji_Presentation}|\ufe0f/u
/** East Asian wide and fullwidth blocks. @see Unicode Standard Annex 11 */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u

function isWide(segment: string): boolean {
  return emoji.test(segment) || wide.test(segment)
}

function escapeCharacter(character: string): string {
  if (character === '\n') return '\\n'
  if (character === '\r') return '\\r'
  if (character === '\t') return '\\t'
  const code = character.codePointAt(0) ?? 0
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}
