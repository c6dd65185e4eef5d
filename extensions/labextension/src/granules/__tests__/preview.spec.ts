import { nullTranslator } from '@jupyterlab/translation';

import { IPreview } from '../../types';
import { MOST_ROWS, fitted, inWords, isDrawable, tableOf } from '../previewData';
import { palette } from '../previewPalette';
import { paint, pathOf } from '../previewPlot';
import {
  extentOf,
  nearest,
  scale,
  shortText,
  ticks,
  timeTicks,
  widened
} from '../previewScale';

const trans = nullTranslator.load('jupyterlab_pelagos');
const axis = (name: string, values: (number | null)[], units = '') => ({
  name,
  label: '',
  units,
  values
});
const map: IPreview = {
  kind: 'map',
  title: 'Field',
  x: axis('lon', [0, 1, 2]),
  y: axis('lat', [10, 11]),
  z: axis('t', [0, 1, 2, 3, null, 5], 'degC'),
  variables: ['t'],
  notes: []
};

describe('scales', () => {
  it('leave out what is missing', () => {
    expect(extentOf([null, 3, NaN, -1])).toEqual([-1, 3]);
    expect(extentOf([null, NaN])).toBeNull();
    expect(widened([0, 0])).toEqual([-1, 1]);
  });

  it('may run backwards, as depth does', () => {
    const place = scale([0, 100], [10, 210]);
    expect([place(0), place(50), place(100)]).toEqual([10, 110, 210]);
    expect(scale([0, 10], [100, 0])(10)).toBe(0);
  });

  it('have round ticks', () => {
    expect(ticks([0, 1], 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks([-1.3, 27.9], 5)).toEqual([0, 5, 10, 15, 20, 25]);
    expect(ticks([3, 3])).toEqual([]);
    expect(ticks([0.1, 0.7], 3)).toEqual([0.2, 0.4, 0.6]);
  });

  it.each([
    ['2020-01-01T00:00:00Z', '2020-01-01T10:00:00Z', '03:00'],
    ['2020-01-01T06:00:00Z', '2020-01-12T00:00:00Z', '2020-01-09'],
    ['2019-11-15T00:00:00Z', '2020-12-01T00:00:00Z', '2020-01'],
    ['1950-01-01T00:00:00Z', '2020-01-01T00:00:00Z', '1960']
  ])('have times between %s and %s such as %s', (low, high, text) => {
    const extent: [number, number] = [Date.parse(low), Date.parse(high)];
    const found = timeTicks(extent, 5);
    expect(found.map(one => one.text)).toContain(text);
    expect(found.length).toBeLessThanOrEqual(7);
    expect(found.every(({ at }) => at >= extent[0] && at <= extent[1])).toBe(true);
  });

  it('say numbers briefly', () => {
    expect([0, 12.345678, 1e-5, 3e7].map(shortText)).toEqual([
      '0',
      '12.346',
      '1.0e-5',
      '3.0e+7'
    ]);
  });

  it('find the nearest value of an axis in either direction', () => {
    expect(nearest([0, 1, 5, 9], 3.4)).toBe(2);
    expect(nearest([9, 5, 1, 0], 3.4)).toBe(1);
    expect(nearest([4], 100)).toBe(0);
  });
});

describe('colours', () => {
  it('grow lighter in even steps', () => {
    const colours = palette();
    const light = Array.from({ length: 256 }, (_, index) => {
      const [r, g, b] = [0, 1, 2].map(part => {
        const value = colours[index * 3 + part] / 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      });
      // lightness of CIELAB, which is another measure than the one they are made by
      return 116 * Math.cbrt(0.2126 * r + 0.7152 * g + 0.0722 * b) - 16;
    });
    for (let index = 16; index < 256; index += 16) {
      const step = light[index] - light[index - 16];
      expect(step).toBeGreaterThan(2);
      expect(step).toBeLessThan(8);
    }
  });
});

describe('a preview', () => {
  it('is a line that is broken where a value is missing', () => {
    const same = (value: number) => value;
    expect(pathOf([1, 2, null, 4, 5], [0, 0, 0, 0, null], same, same).path).toBe(
      'M1.0 0.0L2.0 0.0M4.0 0.0'
    );
  });

  it('is a map whose north is above, and which is transparent where nothing is known', () => {
    const pixels = new Uint8ClampedArray(3 * 2 * 4);
    paint(pixels, 3, 2, { x: [0, 2], y: [10, 11], z: [0, 5] }, [map.x, map.y, map.z!]);
    const colours = palette();
    expect([...pixels.slice(12, 15)]).toEqual([...colours.slice(0, 3)]);
    expect([...pixels.slice(8, 11)]).toEqual([...colours.slice(255 * 3)]);
    expect(pixels[7]).toBe(0);
    expect(pixels[3]).toBe(255);
  });

  it('is told in words and as a table', () => {
    expect(inWords(map, trans)).toBe(
      't (degC): 0 – 5; lon: 0 – 2; lat: 10 – 11; 5 values'
    );
    const { heads, rows, left } = tableOf(map);
    expect(heads).toEqual(['lat', 'lon', 't (degC)']);
    expect(rows[4]).toEqual(['11', '1', '–']);
    expect(left).toBe(0);
    const many = axis(
      'x',
      Array.from({ length: 10000 }, (_, index) => index)
    );
    const long = tableOf({ ...map, kind: 'profile', x: many, y: many, z: null });
    expect(long.rows.length).toBeLessThanOrEqual(MOST_ROWS);
    expect(long.rows.length + long.left).toBe(10000);
  });

  it('of nothing but missing values is not drawn', () => {
    expect(isDrawable(map)).toBe(true);
    expect(isDrawable({ ...map, z: axis('t', [null, null]) })).toBe(false);
    expect(isDrawable({ ...map, z: null })).toBe(false);
  });
});

describe('a title', () => {
  it('that is longer than its axis is cut before its unit', () => {
    const title = 'Sea water pressure, equals 0 at sea-level (decibar)';
    expect(fitted(title, 60)).toBe(title);
    expect(fitted(title, 30)).toBe('Sea water pressure… (decibar)');
    expect(fitted('No unit at all', 8)).toBe('No unit…');
  });
});
