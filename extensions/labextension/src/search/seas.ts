import { TranslationBundle } from '@jupyterlab/translation';

import { Box } from '../types';

/**
 * Seas as boxes.
 *
 * Source: limits derived from the International Hydrographic Organization's Special Publication
 * S-23, "Limits of Oceans and Seas", 3rd edition, 1953, rounded outward to whole degrees. A box is
 * larger than its sea. What S-23 (1953) does not limit follows common use: the Southern Ocean from
 * 60° S (its 4th edition's draft and the Antarctic Treaty), the Arctic from the polar circle.
 */
export interface ISea {
  id: string;
  title: string;
  box: Box;
}

/** In the order of their titles in the language of the person. */
export function seas(trans: TranslationBundle): ISea[] {
  return rows(trans)
    .map(([id, title, ...box]) => ({ id, title, box: box as Box }))
    .sort((a, b) => a.title.localeCompare(b.title));
}

type Row = [string, string, number, number, number, number];

function rows(trans: TranslationBundle): Row[] {
  return [
    ['adriatic', trans.__('Adriatic Sea'), 12, 39, 20, 46],
    ['aegean', trans.__('Aegean Sea'), 22, 34, 29, 42],
    ['andaman', trans.__('Andaman Sea'), 91, 5, 100, 18],
    ['arabian', trans.__('Arabian Sea'), 51, -1, 75, 26],
    ['arctic', trans.__('Arctic Ocean'), -180, 66, 180, 90],
    ['baltic', trans.__('Baltic Sea'), 9, 53, 31, 66],
    ['barents', trans.__('Barents Sea'), 16, 66, 69, 82],
    ['bengal', trans.__('Bay of Bengal'), 79, 5, 95, 24],
    ['bering', trans.__('Bering Sea'), 162, 51, -157, 67],
    ['biscay', trans.__('Bay of Biscay'), -10, 43, 0, 49],
    ['black', trans.__('Black Sea'), 27, 40, 42, 48],
    ['caribbean', trans.__('Caribbean Sea'), -90, 7, -59, 23],
    ['celtic', trans.__('Celtic Sea'), -12, 47, -3, 53],
    ['channel', trans.__('English Channel'), -6, 48, 3, 52],
    ['coral', trans.__('Coral Sea'), 141, -30, 170, -6],
    ['greenland', trans.__('Greenland Sea'), -44, 70, 18, 84],
    ['indian', trans.__('Indian Ocean'), 20, -60, 147, 31],
    ['ionian', trans.__('Ionian Sea'), 15, 36, 24, 41],
    ['irish', trans.__('Irish Sea'), -8, 51, -2, 56],
    ['labrador', trans.__('Labrador Sea'), -66, 47, -42, 61],
    ['mediterranean', trans.__('Mediterranean Sea'), -7, 30, 37, 46],
    ['mexico', trans.__('Gulf of Mexico'), -99, 17, -80, 31],
    ['north', trans.__('North Sea'), -5, 50, 13, 62],
    ['north-atlantic', trans.__('North Atlantic Ocean'), -98, 0, 13, 69],
    ['north-pacific', trans.__('North Pacific Ocean'), 98, 0, -76, 67],
    ['norwegian', trans.__('Norwegian Sea'), -15, 60, 26, 77],
    ['persian', trans.__('Persian Gulf'), 47, 23, 58, 31],
    ['red', trans.__('Red Sea'), 32, 12, 44, 31],
    ['south-atlantic', trans.__('South Atlantic Ocean'), -70, -60, 20, 1],
    ['south-china', trans.__('South China Sea'), 98, -4, 123, 26],
    ['south-pacific', trans.__('South Pacific Ocean'), 130, -60, -67, 4],
    ['southern', trans.__('Southern Ocean'), -180, -90, 180, -60],
    ['tasman', trans.__('Tasman Sea'), 147, -51, 174, -29],
    ['tyrrhenian', trans.__('Tyrrhenian Sea'), 8, 37, 17, 45],
    ['western-mediterranean', trans.__('Western Mediterranean Sea'), -7, 35, 17, 45]
  ];
}

/** The sea whose box this is, if it is one's. */
export function seaOf(box: Box | null, all: readonly ISea[]): ISea | undefined {
  return box ? all.find(sea => sea.box.every((side, at) => side === box[at])) : undefined;
}
