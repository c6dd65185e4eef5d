import { IGranule } from '../types';

export const COLUMNS = ['title', 'time', 'place', 'platform', 'size'] as const;
export type ColumnName = (typeof COLUMNS)[number];

export interface ISort {
  column: ColumnName;
  descending: boolean;
}

/** What the catalogue can sort by (docs/reference/catalogue-api.md), by column. */
const REMOTE: Partial<Record<ColumnName, string>> = { time: 'datetime', title: 'id' };

/** Columns of which a place among all is known without having all. */
export function isRemote(column: ColumnName): boolean {
  return column in REMOTE;
}

/** For the catalogue; undefined is its own order, the newest first. */
export function sortbyOf(sort: ISort | null): string | undefined {
  const field = sort && REMOTE[sort.column];
  return field ? `${sort.descending ? '-' : ''}${field}` : undefined;
}

/** What a click on a header asks for. */
export function turned(sort: ISort | null, column: ColumnName): ISort {
  return { column, descending: sort?.column === column ? !sort.descending : false };
}

/**
 * A new list in this order. What has no value comes last either way.
 *
 * Texts are compared by code after being folded once: a collator takes 20,000 titles past 50 ms.
 */
export function sorted(granules: readonly IGranule[], sort: ISort): IGranule[] {
  const keys = granules.map(granule => keyOf(granule, sort.column));
  const order = granules.map((_, index) => index);
  const sign = sort.descending ? -1 : 1;
  order.sort((a, b) => {
    const left = keys[a];
    const right = keys[b];
    if (left === right) {
      return a - b;
    }
    if (left === null || right === null) {
      return left === null ? 1 : -1;
    }
    return left < right ? -sign : sign;
  });
  return order.map(index => granules[index]);
}

function keyOf(granule: IGranule, column: ColumnName): number | string | null {
  switch (column) {
    case 'title':
      return (granule.title || granule.id).toLowerCase();
    case 'time': {
      const text = granule.start ?? granule.end;
      const time = text === null ? NaN : Date.parse(text);
      return Number.isNaN(time) ? null : time;
    }
    case 'place':
      return granule.bbox ? granule.bbox[1] : null;
    case 'platform':
      return granule.platform.toLowerCase() || null;
    case 'size':
      return granule.size;
  }
}
