import { FacetName, IFacetValue } from '../types';
import { ISearchState } from './model';

export interface ISuggestion {
  facet: FacetName;
  value: string;
  title: string;
  count: number;
}

const KINDS: FacetName[] = ['parameter', 'platform', 'instrument', 'infrastructure'];
const MOST = 8;

/** Values of facets with a word that begins with what was typed last; best and most used first. */
export function suggestions(
  text: string,
  vocabulary: ISearchState['vocabulary'],
  most = MOST
): ISuggestion[] {
  const wanted = plain(text.trim());
  if (!wanted) {
    return [];
  }
  const found: (ISuggestion & { first: boolean })[] = [];
  for (const facet of KINDS) {
    for (const one of vocabulary[facet] ?? []) {
      const rank = rankOf(wanted, one);
      if (rank !== null) {
        found.push({ ...one, facet, first: rank === 0 });
      }
    }
  }
  return found
    .sort((a, b) => Number(b.first) - Number(a.first) || b.count - a.count)
    .slice(0, most)
    .map(({ facet, value, title, count }) => ({ facet, value, title, count }));
}

function rankOf(wanted: string, { title, value }: IFacetValue): number | null {
  const whole = plain(title || value);
  if (whole.startsWith(wanted)) {
    return 0;
  }
  // "surface temp" begins at the second word of "sea surface temperature"
  for (const { index } of whole.matchAll(/[\p{L}\p{N}]+/gu)) {
    if (whole.startsWith(wanted, index)) {
      return 1;
    }
  }
  return plain(value).startsWith(wanted) ? 1 : null;
}

/** Without accents and capitals: who types `oxygene` means `Oxygène`. */
function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}
