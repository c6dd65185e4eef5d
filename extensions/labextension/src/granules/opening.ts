import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { criteriaOf } from '../model/search';
import { ICriteria } from '../types';

export interface IOpenArgs {
  collections: string[];
  title: string;
  /** Of the data sets whose title is known, by id. */
  titles: Record<string, string>;
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
    criteria: criteriaOf(args.criteria) ?? otherwise
  };
}

/** One tab for each set of collections. */
export function nameOf(collections: unknown): string {
  return JSON.stringify(collections);
}
