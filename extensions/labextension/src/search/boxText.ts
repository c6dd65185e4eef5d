import { TranslationBundle } from '@jupyterlab/translation';

import { Box } from '../types';

export const SIDES = ['west', 'south', 'east', 'north'] as const;
export type Side = (typeof SIDES)[number];
export type BoxTexts = Record<Side, string>;

export interface IBoxRead {
  /** Null where the fields are empty or wrong. */
  box: Box | null;
  empty: boolean;
  errors: Partial<Record<Side, string>>;
}

/** What stands in the fields of a box. */
export function textsOf(box: Box | null): BoxTexts {
  const [west, south, east, north] = (box ?? ['', '', '', '']).map(String);
  return { west, south, east, north };
}

/** Degrees, with a decimal point or comma; NaN for anything else. */
export function degreesOf(text: string): number {
  const plain = text.trim().replace('−', '-').replace(',', '.');
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : NaN;
}

/** The box that four fields say, or what is wrong with each of them. */
export function readBox(texts: BoxTexts, trans: TranslationBundle): IBoxRead {
  if (SIDES.every(side => !texts[side].trim())) {
    return { box: null, empty: true, errors: {} };
  }
  const errors: IBoxRead['errors'] = {};
  const values = SIDES.map(side => {
    const value = degreesOf(texts[side]);
    const fault = faultOf(side, texts[side], value, trans);
    if (fault) {
      errors[side] = fault;
    }
    return value;
  }) as Box;
  if (!errors.south && !errors.north && values[1] > values[3]) {
    errors.north = trans.__('North is less than south.');
  }
  return { box: Object.keys(errors).length ? null : values, empty: false, errors };
}

function faultOf(
  side: Side,
  text: string,
  value: number,
  trans: TranslationBundle
): string {
  const lon = side === 'west' || side === 'east';
  if (!text.trim()) {
    return trans.__('Fill this in, or empty all four.');
  }
  if (isNaN(value)) {
    return trans.__('Write degrees as a number, such as -12.5.');
  }
  if (lon && value > 180 && value <= 360) {
    return trans.__(
      'From -180 to 180: %1 is %2.',
      value,
      Number((value - 360).toFixed(6))
    );
  }
  if (lon && Math.abs(value) > 180) {
    return trans.__('From -180 to 180.');
  }
  return !lon && Math.abs(value) > 90 ? trans.__('From -90 to 90.') : '';
}
