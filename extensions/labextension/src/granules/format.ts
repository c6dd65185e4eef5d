import { TranslationBundle } from '@jupyterlab/translation';

import { bytes } from '../common/format';
import { IGranule } from '../types';

/** Bytes for a person; a dash where nobody knows. */
export function sizeText(size: number | null): string {
  return size === null ? '–' : bytes(size);
}

/** `2020-01-31 06:00` in UTC; the time of day only where it is not midnight. */
export function timeText(text: string | null): string {
  const time = text === null ? NaN : Date.parse(text);
  if (Number.isNaN(time)) {
    return '';
  }
  const [day, clock] = new Date(time).toISOString().split('T');
  const minutes = clock.slice(0, 5);
  return minutes === '00:00' ? day : `${day} ${minutes}`;
}

/** Beginning and end, once if they are the same. */
export function spanText(granule: Pick<IGranule, 'start' | 'end'>): string {
  const [start, end] = [timeText(granule.start), timeText(granule.end)];
  if (!start && !end) {
    return '–';
  }
  // a day is from midnight to the second before the next one
  if (start.slice(0, 10) === end.slice(0, 10) && end.endsWith('23:59')) {
    return start.slice(0, 10);
  }
  if (start === end || !end) {
    return end ? start : `${start} …`;
  }
  return `${start || '…'} – ${end.replace(' 23:59', '')}`;
}

/** Bytes of many granules: their sum, and whether some have no size. */
export function totalText(
  granules: readonly IGranule[],
  trans: TranslationBundle
): string {
  let [sum, unknown] = [0, 0];
  for (const { size } of granules) {
    sum += size ?? 0;
    unknown += size === null ? 1 : 0;
  }
  if (!unknown) {
    return sizeText(sum);
  }
  return sum ? trans.__('%1 or more', sizeText(sum)) : trans.__('size unknown');
}
