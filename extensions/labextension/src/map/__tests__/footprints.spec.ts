import { Box } from '../../types';
import { Footprints } from '../footprints';
import { IFootprint } from '../seaMap';

const box = (key: string, bbox: Box | null): IFootprint => ({ key, bbox, shape: null });
const counts = (all: Footprints) =>
  all.layers.map(layer => layer.getSource()!.getFeatures().length);

describe('footprints on the map', () => {
  it('are found where they are, the smallest first, in every world', () => {
    const all = new Footprints();
    all.set([
      box('large', [0, 0, 40, 40]),
      box('small', [10, 10, 12, 12]),
      box('pacific', [175, 0, -175, 10]),
      box('point', [-50, 5, -50, 5]),
      box('nowhere', null)
    ]);
    expect(all.keyAt([11, 11], 0.1)).toBe('small');
    expect(all.keyAt([30, 30], 0.1)).toBe('large');
    expect(all.keyAt([371, 11], 0.1)).toBe('small');
    expect(all.keyAt([-178, 5], 0.1)).toBe('pacific');
    expect(all.keyAt([178 - 720, 5], 0.1)).toBe('pacific');
    expect(all.keyAt([-50.4, 5.4], 0.5)).toBe('point');
    expect(all.keyAt([100, 80], 0.5)).toBeNull();
  });

  it('are the same ones when others are added', () => {
    const all = new Footprints();
    const first = box('a', [0, 0, 1, 1]);
    all.set([first]);
    const [feature] = all.all.getSource()!.getFeatures();
    all.set([first, box('b', [2, 2, 3, 3])]);
    expect(all.all.getSource()!.getFeatures()).toContain(feature);
    expect(counts(all)).toEqual([2, 0, 0]);
    all.set([box('a', [9, 9, 10, 10])]);
    expect(all.keyAt([9.5, 9.5], 0)).toBe('a');
    expect(all.keyAt([0.5, 0.5], 0)).toBeNull();
    all.set([]);
    expect(counts(all)).toEqual([0, 0, 0]);
  });

  it('may have a key twice, or be selected before they are there', () => {
    const all = new Footprints();
    all.select(new Set(['a', 'gone']));
    all.highlight('b', [[170, 0, -170, 5]]);
    expect(counts(all)).toEqual([0, 0, 1]);
    all.set([box('a', [0, 0, 1, 1]), box('a', [5, 5, 6, 6]), box('b', [1, 1, 2, 2])]);
    expect(counts(all)).toEqual([2, 1, 2]);
    all.highlight(null, []);
    all.select(new Set());
    expect(counts(all)).toEqual([2, 0, 0]);
  });

  it('come in slices when they are many, and only the last ones stay', () => {
    jest.useFakeTimers();
    const many = Array.from({ length: 4000 }, (_, index) =>
      box(String(index), [index / 100, 0, index / 100, 0])
    );
    const all = new Footprints();
    all.select(new Set(['3999']));
    all.set(many);
    // made in slices, shown at once
    expect(counts(all)).toEqual([0, 0, 0]);
    jest.runAllTimers();
    expect(counts(all)).toEqual([4000, 1, 0]);
    all.set(many.slice());
    all.set(many.slice(0, 3));
    jest.runAllTimers();
    expect(counts(all)).toEqual([3, 0, 0]);
    all.set(many);
    all.dispose();
    jest.runAllTimers();
    expect(counts(all)).toEqual([3, 0, 0]);
    jest.useRealTimers();
  });
});
