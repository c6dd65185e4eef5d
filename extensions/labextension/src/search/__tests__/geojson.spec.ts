import { GeoJsonError, LARGEST, boxOfFile, boxOfGeoJson } from '../geojson';

const file = (text: string) => ({ size: text.length, text: async () => text }) as Blob;
const points = (...coordinates: number[][]) => ({ type: 'MultiPoint', coordinates });
const ring = (west: number, south: number, east: number, north: number) => [
  [west, south],
  [east, south],
  [east, north],
  [west, north],
  [west, south]
];
const faultOf = (found: unknown) => {
  try {
    boxOfGeoJson(found);
  } catch (error) {
    return (error as GeoJsonError).fault;
  }
  return null;
};

describe('the box of a GeoJSON file', () => {
  it('is around everything in it', () => {
    const collection = {
      type: 'FeatureCollection',
      features: [
        { type: 'Feature', properties: {}, geometry: null },
        {
          type: 'Feature',
          properties: {},
          geometry: { type: 'Point', coordinates: [3, 4, -1000] }
        },
        {
          type: 'Feature',
          properties: {},
          geometry: {
            type: 'GeometryCollection',
            geometries: [{ type: 'Polygon', coordinates: [ring(-5, -6, 1, 2)] }]
          }
        }
      ]
    };
    expect(boxOfGeoJson(collection)).toEqual([-5, -6, 3, 4]);
  });

  it('does not cross the antimeridian for places on both sides of the map', () => {
    expect(boxOfGeoJson(points([-100, 0], [120, 10]))).toEqual([-100, 0, 120, 10]);
  });

  it('crosses it where shapes were cut there', () => {
    const cut = {
      type: 'MultiPolygon',
      coordinates: [[ring(170, -20, 180, 0)], [ring(-180, -10, -165, 5)]]
    };
    expect(boxOfGeoJson(cut)).toEqual([170, -20, -165, 5]);
  });

  it('crosses it where a line jumps, or goes beyond 180', () => {
    expect(
      boxOfGeoJson({ type: 'Polygon', coordinates: [ring(175, 0, -175, 5)] })
    ).toEqual([175, 0, -175, 5]);
    expect(
      boxOfGeoJson({ type: 'Polygon', coordinates: [ring(170, 0, 200, 5)] })
    ).toEqual([170, 0, -160, 5]);
    const both = {
      type: 'MultiLineString',
      coordinates: [
        [
          [170, 0],
          [200, 0]
        ],
        [
          [-170, 1],
          [-165, 1]
        ]
      ]
    };
    expect(boxOfGeoJson(both)).toEqual([170, 0, -160, 1]);
  });

  it('is the whole world for the whole world', () => {
    const world = { type: 'Polygon', coordinates: [ring(-180, -90, 180, 90)] };
    expect(boxOfGeoJson(world)).toEqual([-180, -90, 180, 90]);
  });

  it('is the one that the file says', () => {
    const said = { ...points([1, 1]), bbox: [170, -10, 0, -170, 10, 50] };
    expect(boxOfGeoJson(said)).toEqual([170, -10, -170, 10]);
    expect(boxOfGeoJson({ ...points([1, 1]), bbox: [5, 5, 4, 4] })).toEqual([1, 1, 1, 1]);
  });

  it.each([
    [null, 'geojson'],
    [{}, 'geojson'],
    [[1, 2], 'geojson'],
    [{ type: 'Topology', objects: {} }, 'geojson'],
    [{ type: 'Polygon', coordinates: [[1, 2]] }, 'geojson'],
    [{ type: 'Polygon', coordinates: ['abcd'] }, 'geojson'],
    [{ type: 'FeatureCollection', features: [] }, 'empty'],
    [points(), 'empty'],
    [points([500000, 4649776]), 'degrees'],
    [points([0, 91]), 'degrees']
  ])('%j has none: %s', (found, fault) => {
    expect(faultOf(found)).toBe(fault);
  });

  it('is not looked for in what is no JSON or too large', async () => {
    expect(await boxOfFile(file('{"type":"Point","coordinates":[1,2]}'))).toEqual([
      1, 2, 1, 2
    ]);
    await expect(boxOfFile(file('lon,lat\n1,2'))).rejects.toMatchObject({
      fault: 'json'
    });
    const large = { size: LARGEST + 1, text: jest.fn() };
    await expect(boxOfFile(large as unknown as Blob)).rejects.toMatchObject({
      fault: 'large'
    });
    expect(large.text).not.toHaveBeenCalled();
  });

  it('does not take long for 100,000 positions in one line', () => {
    const line = Array.from({ length: 100_000 }, (_, index) => [index / 1000, 0]);
    expect(boxOfGeoJson({ type: 'LineString', coordinates: line })[2]).toBe(99.999);
    expect(boxOfGeoJson(points(...line))[2]).toBe(99.999);
  });
});
