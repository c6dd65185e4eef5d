/** The last word of a search, if it may be cut short. */
const LAST_WORD = /(?:^|[\s,(])([^\s"(),*]*[\p{L}\p{N}_])$/u;
const LETTERS = /[\p{L}\p{N}_]+$/u;

/**
 * Words as the server extension asks the VRE's catalogue for them (`begun` in `vre_catalogue.py`):
 * the last one, from its third letter on, may go on.
 */
export function begun(words: string): string {
  const last = LAST_WORD.exec(words)?.[1];
  const inPhrase = (words.split('"').length - 1) % 2 === 1;
  if (inPhrase || !last || ['AND', 'OR'].includes(last) || last.startsWith('-')) {
    return words;
  }
  return (LETTERS.exec(last)?.[0].length ?? 0) < 3 ? words : `${words}*`;
}
