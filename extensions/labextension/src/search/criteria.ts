import { TranslationBundle } from '@jupyterlab/translation';

import { placeText } from '../map/geometry';
import { Box, FACETS, FacetName, ICriteria } from '../types';
import { ISearchState } from './model';
import { seaOf, seas } from './seas';
import { periodOf } from './times';

/** One thing that is asked for, and the criteria without it. */
export interface IChip {
  key: string;
  /** `Parameter` */
  kind: string;
  /** `Sea temperature` */
  text: string;
  without: Partial<ICriteria>;
}

export function facetTitle(facet: FacetName, trans: TranslationBundle): string {
  return {
    infrastructure: trans.__('Infrastructure'),
    parameter: trans.__('Parameter'),
    platform: trans.__('Platform'),
    instrument: trans.__('Instrument'),
    licence: trans.__('Licence')
  }[facet];
}

/** Values of facets by what they are called. */
export type Vocabulary = ISearchState['vocabulary'];

/** Of a vocabulary, what criteria name. */
export function namedIn(criteria: ICriteria, vocabulary: Vocabulary): Vocabulary {
  return Object.fromEntries(
    FACETS.map(facet => {
      const chosen = new Set(criteria.facets[facet]);
      return [facet, vocabulary[facet]?.filter(one => chosen.has(one.value)) ?? []];
    })
  );
}

/** What is asked for, each by itself. */
export function chipsOf(
  criteria: ICriteria,
  vocabulary: Vocabulary,
  trans: TranslationBundle
): IChip[] {
  const chips: IChip[] = [];
  if (criteria.q.trim()) {
    const text = `“${criteria.q.trim()}”`;
    chips.push({ key: 'q', kind: trans.__('Text'), text, without: { q: '' } });
  }
  if (criteria.bbox) {
    const text = areaOf(criteria.bbox, trans);
    chips.push({ key: 'bbox', kind: trans.__('Area'), text, without: { bbox: null } });
  }
  if (criteria.start || criteria.end) {
    const text = periodOf(criteria.start, criteria.end, trans);
    const without = { start: null, end: null };
    chips.push({ key: 'time', kind: trans.__('Time'), text, without });
  }
  for (const facet of FACETS) {
    for (const value of criteria.facets[facet] ?? []) {
      const facets = { ...criteria.facets };
      facets[facet] = facets[facet]!.filter(one => one !== value);
      if (!facets[facet].length) {
        delete facets[facet];
      }
      chips.push({
        key: `${facet}\n${value}`,
        kind: facetTitle(facet, trans),
        text: vocabulary[facet]?.find(one => one.value === value)?.title || value,
        without: { facets }
      });
    }
  }
  return chips;
}

/** A box for people: the sea that it is, or its sides. */
export function areaOf(box: Box, trans: TranslationBundle): string {
  return seaOf(box, seas(trans))?.title ?? placeText(box);
}
