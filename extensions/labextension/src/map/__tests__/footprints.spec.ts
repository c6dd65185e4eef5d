import { Footprints } from '../footprints';

const one = (key: string, lon: number) => ({
  key,
  bbox: null,
  shape: { type: 'Point' as const, coordinates: [lon, 0] }
});
const keysOf = (footprints: Footprints, layer = 0) =>
  footprints.layers[layer]
    .getSource()!
    .getFeatures()
    .map(feature => feature.getId())
    .sort();

describe('footprints', () => {
  it('of a further page are added to those that are there', () => {
    const footprints = new Footprints();
    const [a, b, c] = [one('a', 1), one('b', 2), one('c', 3)];
    footprints.set([a, b]);
    const source = footprints.all.getSource()!;
    const clear = jest.spyOn(source, 'clear');
    const before = source.getFeatureById('a');
    footprints.set([c, b, a]);
    expect(keysOf(footprints)).toEqual(['a', 'b', 'c']);
    expect(source.getFeatureById('a')).toBe(before);
    expect(clear).not.toHaveBeenCalled();
  });

  it('that are gone or elsewhere are drawn anew', () => {
    const footprints = new Footprints();
    footprints.set([one('a', 1), one('b', 2)]);
    footprints.set([one('a', 9)]);
    expect(keysOf(footprints)).toEqual(['a']);
    const [feature] = footprints.all.getSource()!.getFeatures();
    expect(feature.getGeometry()!.getExtent()[0]).toBe(9);
  });

  it('that are selected stay so while pages come', () => {
    const footprints = new Footprints();
    footprints.set([one('a', 1)]);
    footprints.select(new Set(['a', 'b']));
    expect(keysOf(footprints, 1)).toEqual(['a']);
    footprints.set([one('a', 1), one('b', 2)]);
    expect(keysOf(footprints, 1)).toEqual(['a', 'b']);
  });
});
