import { TranslationBundle } from '@jupyterlab/translation';

import { placeText } from '../map/geometry';
import { IGranule } from '../types';
import { sizeText, spanText } from './format';
import { ColumnName, COLUMNS } from './sorting';

/** Columns by the width in pixels that they need altogether; the title is always there. */
const NEEDED: [ColumnName, number][] = [
  ['time', 460],
  ['size', 540],
  ['platform', 640],
  ['place', 800]
];
const WIDTHS: Record<ColumnName, string> = {
  title: 'minmax(120px, 1fr)',
  time: '210px',
  place: '200px',
  platform: '110px',
  size: '80px'
};

/**
 * Columns that fit; before the width is known, all do. What no granule has (`unknown`) leaves its
 * room to the title.
 */
export function columnsFor(
  width: number,
  unknown: ReadonlySet<ColumnName> = new Set()
): ColumnName[] {
  const fit = new Set(
    NEEDED.filter(([, needed]) => !width || width >= needed).map(([name]) => name)
  );
  return COLUMNS.filter(
    name => name === 'title' || (fit.has(name) && !unknown.has(name))
  );
}

/** Columns of which none of the first granules has anything. */
export function unknownOf(rows: readonly IGranule[]): Set<ColumnName> {
  const first = rows.slice(0, 200);
  const unknown = new Set<ColumnName>();
  if (first.length && !first.some(one => one.platform)) {
    unknown.add('platform');
  }
  if (first.length && !first.some(one => one.bbox)) {
    unknown.add('place');
  }
  return unknown;
}

/** For the grid of CSS. */
export function templateOf(columns: ColumnName[]): string {
  return columns.map(column => WIDTHS[column]).join(' ');
}

/** Heads for people. */
export function titlesOf(trans: TranslationBundle): Record<ColumnName, string> {
  return {
    title: trans.__('Granule'),
    time: trans.__('Time (UTC)'),
    place: trans.__('Place'),
    platform: trans.__('Platform'),
    size: trans.__('Size')
  };
}

/** Texts are made once: formatting is what costs most of a row. */
const texts = new WeakMap<IGranule, Partial<Record<ColumnName, string>>>();

/** What stands in a cell. */
export function textOf(granule: IGranule, column: ColumnName): string {
  const known = texts.get(granule) ?? {};
  if (!texts.has(granule)) {
    texts.set(granule, known);
  }
  return (known[column] ??= made(granule, column));
}

function made(granule: IGranule, column: ColumnName): string {
  switch (column) {
    case 'title':
      return granule.title || granule.id;
    case 'time':
      return spanText(granule);
    case 'place':
      return granule.bbox ? placeText(granule.bbox) : '–';
    case 'platform':
      return granule.platform || '–';
    case 'size':
      return sizeText(granule.size);
  }
}
