import { nullTranslator } from '@jupyterlab/translation';

import { isBox } from '../../model/search';
import { seaOf, seas } from '../seas';

const all = seas(nullTranslator.load('x'));

describe('named seas', () => {
  it('have boxes in whole degrees, each its own', () => {
    expect(all.length).toBeGreaterThanOrEqual(25);
    for (const { title, box } of all) {
      expect([title, isBox(box), box.every(Number.isInteger)]).toEqual([
        title,
        true,
        true
      ]);
    }
    expect(new Set(all.map(sea => sea.id)).size).toBe(all.length);
    expect(new Set(all.map(sea => sea.box.join())).size).toBe(all.length);
  });

  it.each([
    ['mediterranean', 15, 38],
    ['black', 34, 43],
    ['north', 3, 56],
    ['baltic', 20, 58],
    ['adriatic', 15, 43],
    ['barents', 40, 74],
    ['red', 38, 20],
    ['mexico', -90, 25],
    ['north-pacific', 179, 30],
    ['north-pacific', -150, 30],
    ['bering', -178, 58],
    ['southern', 0, -65]
  ])('%s has a place of its own in it', (id, lon, lat) => {
    const [west, south, east, north] = all.find(sea => sea.id === id)!.box;
    const inside = west <= east ? lon >= west && lon <= east : lon >= west || lon <= east;
    expect(inside && lat >= south && lat <= north).toBe(true);
  });

  it('are known by their boxes', () => {
    const [first] = all;
    expect(seaOf([...first.box], all)).toBe(first);
    expect(seaOf([1, 2, 3, 4], all)).toBeUndefined();
    expect(seaOf(null, all)).toBeUndefined();
  });
});
