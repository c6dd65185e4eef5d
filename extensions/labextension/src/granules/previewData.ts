import { TranslationBundle } from '@jupyterlab/translation';

import { number } from '../common/format';
import { IPreview, IPreviewAxis } from '../types';
import { timeText } from './format';
import { extentOf, shortText } from './previewScale';

/** Rows of the table of values at most. */
export const MOST_ROWS = 300;

export function axisTitle(axis: IPreviewAxis): string {
  const title = axis.label || axis.name;
  // as CF has them, they are longer than a flat map is high
  const units = axis.units.replace(/^degrees?_?(north|N|east|E)$/, '°');
  return units && units !== '1' ? `${title} (${units})` : title;
}

/** As much of a title as so many letters hold; its unit stays. */
export function fitted(title: string, most: number): string {
  if (title.length <= most) {
    return title;
  }
  const unit = / \([^()]*\)$/.exec(title)?.[0] ?? '';
  const room = Math.max(1, most - unit.length - 1);
  return `${title.slice(0, room).replace(/[\s,;:]+$/u, '')}…${unit}`;
}

/** What a value of an axis is for a person; of a series, `x` is a time. */
function textOf(preview: IPreview, axis: IPreviewAxis, value: number | null): string {
  if (value === null || !Number.isFinite(value)) {
    return '–';
  }
  return preview.kind === 'series' && axis === preview.x
    ? timeText(new Date(value).toISOString())
    : shortText(value);
}

function rangeOf(preview: IPreview, axis: IPreviewAxis): string {
  const extent = extentOf(axis.values);
  return extent ? extent.map(value => textOf(preview, axis, value)).join(' – ') : '–';
}

/** The picture in words: what is drawn, over which ranges, and how many values are there. */
export function inWords(preview: IPreview, trans: TranslationBundle): string {
  const { kind, x, y, z } = preview;
  const shown = kind === 'map' && z ? z : kind === 'series' ? y : x;
  const over = [x, y].filter(axis => axis !== shown);
  const count = shown.values.filter(one => one !== null && Number.isFinite(one)).length;
  return [
    `${axisTitle(shown)}: ${rangeOf(preview, shown)}`,
    ...over.map(axis => `${axisTitle(axis)}: ${rangeOf(preview, axis)}`),
    trans._n('%2 value', '%2 values', count, number(count))
  ].join('; ');
}

export interface IValueTable {
  heads: string[];
  rows: string[][];
  /** Values that are not in the table. */
  left: number;
}

/** The values as text; of many, some at even distances. */
export function tableOf(preview: IPreview): IValueTable {
  const { kind, x, y, z } = preview;
  const map = kind === 'map' && z;
  const total = map ? z.values.length : Math.min(x.values.length, y.values.length);
  const step = Math.max(1, Math.ceil(total / MOST_ROWS));
  const axes = map ? [y, x, z] : kind === 'series' ? [x, y] : [y, x];
  const rows: string[][] = [];
  for (let index = 0; index < total; index += step) {
    rows.push(
      axes.map(axis => {
        const at = !map
          ? index
          : axis === z
            ? index
            : axis === x
              ? index % x.values.length
              : Math.floor(index / x.values.length);
        return textOf(preview, axis, axis.values[at]);
      })
    );
  }
  return { heads: axes.map(axisTitle), rows, left: total - rows.length };
}

/** Whether there is anything to draw. */
export function isDrawable({ kind, x, y, z }: IPreview): boolean {
  const shown = kind === 'map' ? z : x;
  return (
    !!shown &&
    extentOf(shown.values) !== null &&
    extentOf(x.values) !== null &&
    extentOf(y.values) !== null
  );
}
