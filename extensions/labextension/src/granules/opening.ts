import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { criteriaOf } from '../model/search';
import type { Vocabulary } from '../search/criteria';
import { FACETS, ICriteria, IFacetValue } from '../types';

export interface IOpenArgs {
  collections: string[];
  title: string;
  /** Of the data sets whose title is known, by id. */
  titles: Record<string, string>;
  /** What the facets of the criteria are called. */
  vocabulary: Vocabulary;
  criteria: ICriteria;
}

/** What the command was given; `otherwise` where no criteria came with it. */
export function argsOf(args: ReadonlyPartialJSONObject, otherwise: ICriteria): IOpenArgs {
  const { collections, title } = args;
  return {
    collections: Array.isArray(collections)
      ? [...new Set(collections.filter(one => typeof one === 'string'))].sort()
      : [],
    title: typeof title === 'string' ? title : '',
    titles: Object.fromEntries(
      Object.entries(Object(args.titles)).filter(
        (one): one is [string, string] => typeof one[1] === 'string'
      )
    ),
    vocabulary: vocabularyOf(args.vocabulary),
    criteria: criteriaOf(args.criteria) ?? otherwise
  };
}

function vocabularyOf(given: unknown): Vocabulary {
  const found = Object(given) as Record<string, unknown>;
  return Object.fromEntries(
    FACETS.map(facet => {
      const values = Array.isArray(found[facet]) ? (found[facet] as unknown[]) : [];
      const known = values.map(one => Object(one) as Partial<IFacetValue>);
      return [facet, known.filter(isNamed).map(one => ({ ...one, count: 0 }))];
    })
  );
}

function isNamed(one: Partial<IFacetValue>): one is IFacetValue {
  return typeof one.value === 'string' && typeof one.title === 'string';
}

/** One tab for each set of collections. */
export function nameOf(collections: unknown): string {
  return JSON.stringify(collections);
}
