import MultiPolygon from 'ol/geom/MultiPolygon';

import { stepFor } from '../grid';
import { footprintFeature, landFeatures } from '../shapes';

describe('footprints', () => {
  it('are shapes, or boxes where there is no shape', () => {
    const line: GeoJSON.Geometry = {
      type: 'LineString',
      coordinates: [
        [0, 0, 5],
        [10, 10, 7]
      ]
    };
    expect(footprintFeature('a', [0, 0, 10, 10], line)!.getGeometry()!.getType()).toBe(
      'LineString'
    );
    const box = footprintFeature('b', [0, 0, 10, 10], null)!;
    expect(box.getGeometry()!.getExtent()).toEqual([0, 0, 10, 10]);
    expect(box.getId()).toBe('b');
    expect(footprintFeature('c', [3, 4, 3, 4], null)!.getGeometry()!.getType()).toBe(
      'Point'
    );
  });

  it('without a place are left out, and nonsense does not break the others', () => {
    expect(footprintFeature('a', null, null)).toBeNull();
    const nonsense = { type: 'Polygon', coordinates: 'x' } as unknown as GeoJSON.Geometry;
    expect(footprintFeature('b', null, nonsense)).toBeNull();
    expect(footprintFeature('c', [0, 0, 1, 1], nonsense)).not.toBeNull();
    const empty: GeoJSON.Geometry = { type: 'Polygon', coordinates: [] };
    expect(footprintFeature('d', null, empty)).toBeNull();
  });

  it('across the antimeridian are in one piece on both sides of the world', () => {
    const shape: GeoJSON.Geometry = {
      type: 'Polygon',
      coordinates: [
        [
          [170, 0],
          [-170, 0],
          [-170, 10],
          [170, 10],
          [170, 0]
        ]
      ]
    };
    const found = footprintFeature('a', [170, 0, -170, 10], shape)!.getGeometry()!;
    expect(found).toBeInstanceOf(MultiPolygon);
    expect((found as MultiPolygon).getPolygons().map(one => one.getExtent())).toEqual([
      [170, 0, 190, 10],
      [-190, 0, -170, 10]
    ]);
  });
});

describe('the background', () => {
  it('has no coast where the land was cut', () => {
    const [land, coast] = landFeatures({
      coordinates: [
        [
          [
            [170, 60],
            [180, 61],
            [180, 65],
            [170, 66],
            [170, 60]
          ]
        ]
      ]
    });
    expect(land.getGeometry()!.getExtent()).toEqual([170, 60, 180, 66]);
    const lines = (coast.getGeometry() as any).getCoordinates();
    expect(lines).toEqual([
      [
        [170, 60],
        [180, 61]
      ],
      [
        [180, 65],
        [170, 66],
        [170, 60]
      ]
    ]);
  });

  it('has lines that leave room for their labels', () => {
    expect([1.5, 0.5, 0.01].map(stepFor)).toEqual([90, 45, 1]);
  });
});
