import { ICitation } from '../../types';
import { oneLine } from './text';

/** STAC's words for terms that have no name: what they say is in the text, if anywhere. */
const UNNAMED = /^\s*(other|various|proprietary)\s*$/i;
const LONGEST = 200;

/** The name of a licence, empty if it has none. */
export function licenceName({ licence }: ICitation): string {
  return UNNAMED.test(licence) ? '' : licence;
}

/** A licence in one line: its name, else what it says. Empty if neither is known. */
export function licenceLine(one: ICitation): string {
  return oneLine(licenceName(one) || one.licence_text);
}

/** The same for a comment, where only the beginning of long terms has room. */
export function licenceBegun(one: ICitation): string {
  const line = licenceLine(one);
  return line.length > LONGEST
    ? `${line.slice(0, LONGEST).replace(/\s+\S*$/u, '')} …`
    : line;
}
