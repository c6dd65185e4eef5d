/**
 * Texts of catalogues and paths inside of code, so that they stay texts.
 *
 * What could end a string or a line, or can't be seen (controls, bidirectional marks that make code
 * look like other code), is escaped in strings and is a space in comments.
 */

// also what breaks lines somewhere: U+2028 and U+2029 are Zl and Zp, U+0085 is Cc
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const COLUMNS = 92;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `\u00e9`, or `\U0001f40b` beyond the basic plane: the same in Python, R and Julia. */
export function escapeUnicode(character: string): string {
  const code = character.codePointAt(0) as number;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

/**
 * A text in double quotes.
 *
 * `also` are characters that the language wants a backslash before, beside `"` and `\`; `unseen` how
 * it writes what can't be seen.
 */
export function quoted(
  text: string,
  also = '',
  unseen: (character: string) => string = escapeUnicode
): string {
  let made = '';
  for (const character of text) {
    if (character === '"' || character === '\\' || also.includes(character)) {
      made += `\\${character}`;
    } else {
      made += character.replace(UNSEEN, found => SHORT[found] ?? unseen(found));
    }
  }
  return `"${made}"`;
}

/** One line of text: what breaks lines or can't be seen is a space. */
export function oneLine(text: string): string {
  return text.replace(UNSEEN, ' ').replace(/\s+/gu, ' ').trim();
}

/** A text as lines of comment, wrapped between words. Empty for a text without content. */
export function comment(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of oneLine(text).split(' ').filter(Boolean)) {
    if (line !== '#' && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return line === '#' ? lines : [...lines, line];
}
