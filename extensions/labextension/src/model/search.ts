import { IStateDB } from '@jupyterlab/statedb';
import { ReadonlyPartialJSONValue } from '@lumino/coreutils';

import { Box, FACETS, FacetName, ICriteria, NO_CRITERIA } from '../types';
import { Model } from './base';

const KEY = 'jupyterlab-pelagos:criteria';

/** What is looked for: one for the side bar, and one for each tab of granules. */
export class CriteriaModel extends Model<ICriteria> {
  /** `db` keeps it over a reload; without one it is as it was made. */
  constructor(initial: ICriteria = NO_CRITERIA, db: IStateDB | null = null) {
    super(initial);
    this._db = db;
  }

  change(part: Partial<ICriteria>): void {
    this.set(part);
    void this._db?.save(KEY, this.state as unknown as ReadonlyPartialJSONValue);
  }

  clear(): void {
    this.change(NO_CRITERIA);
  }

  toggle(facet: FacetName, value: string): void {
    const before = this.state.facets[facet] ?? [];
    const after = before.includes(value)
      ? before.filter(one => one !== value)
      : [...before, value];
    const facets = { ...this.state.facets, [facet]: after };
    if (!after.length) {
      delete facets[facet];
    }
    this.change({ facets });
  }

  /** Take up what was looked for before the page was loaded. */
  async restore(): Promise<void> {
    const kept = criteriaOf(await this._db?.fetch(KEY));
    if (kept) {
      this.set(kept);
    }
  }

  private readonly _db: IStateDB | null;
}

/** Criteria of what was kept, null if it makes no sense. */
export function criteriaOf(kept: unknown): ICriteria | null {
  if (typeof kept !== 'object' || kept === null) {
    return null;
  }
  const found = kept as Partial<ICriteria>;
  const facets: ICriteria['facets'] = {};
  for (const name of FACETS) {
    const values = (found.facets ?? {})[name];
    if (Array.isArray(values) && values.every(one => typeof one === 'string')) {
      facets[name] = values;
    }
  }
  return {
    q: typeof found.q === 'string' ? found.q : '',
    bbox: isBox(found.bbox) ? found.bbox : null,
    start: typeof found.start === 'string' ? found.start : null,
    end: typeof found.end === 'string' ? found.end : null,
    facets
  };
}

export function isBox(box: unknown): box is Box {
  return (
    Array.isArray(box) &&
    box.length === 4 &&
    box.every(Number.isFinite) &&
    Math.abs(box[0]) <= 180 &&
    Math.abs(box[2]) <= 180 &&
    box[1] >= -90 &&
    box[1] <= box[3] &&
    box[3] <= 90
  );
}

/** Whether nothing is asked for. */
export function isEmpty(criteria: ICriteria): boolean {
  return (
    !criteria.q.trim() &&
    !criteria.bbox &&
    !criteria.start &&
    !criteria.end &&
    !Object.keys(criteria.facets).length
  );
}
