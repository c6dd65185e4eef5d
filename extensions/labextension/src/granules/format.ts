import { TranslationBundle } from '@jupyterlab/translation';

import { bytes, number } from '../common/format';
import { Box, ICriteria, IGranule } from '../types';

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

function degrees(value: number, [positive, negative]: string): string {
  return `${number(Math.round(Math.abs(value) * 100) / 100)}°${value > 0 ? positive : value < 0 ? negative : ''}`;
}

/** `40.5°N 12°W`, or the corners of a box. */
export function placeText(box: Box | null): string {
  if (!box) {
    return '–';
  }
  const [west, south, east, north] = box;
  const between = (low: number, high: number, sides: string) =>
    low === high
      ? degrees(low, sides)
      : `${degrees(low, sides)} – ${degrees(high, sides)}`;
  return `${between(south, north, 'NS')}, ${between(west, east, 'EW')}`;
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

/** The area and time that are looked for, one text each. */
export function limitsOf(
  criteria: ICriteria,
  trans: TranslationBundle
): { key: 'bbox' | 'time'; text: string }[] {
  const { bbox, start, end } = criteria;
  const limits: { key: 'bbox' | 'time'; text: string }[] = [];
  if (bbox) {
    limits.push({ key: 'bbox', text: placeText(bbox) });
  }
  if (start && end) {
    limits.push({ key: 'time', text: `${timeText(start)} – ${timeText(end)}` });
  } else if (start) {
    limits.push({ key: 'time', text: trans.__('from %1', timeText(start)) });
  } else if (end) {
    limits.push({ key: 'time', text: trans.__('to %1', timeText(end)) });
  }
  return limits;
}

/** Addresses that a link may lead to; what a catalogue says could be `javascript:`. */
export function safeUrl(url: string): string | null {
  try {
    const { protocol, href } = new URL(url, window.location.href);
    return protocol === 'https:' || protocol === 'http:' ? href : null;
  } catch {
    return null;
  }
}
