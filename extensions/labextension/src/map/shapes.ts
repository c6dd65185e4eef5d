import Feature from 'ol/Feature';
import Geometry from 'ol/geom/Geometry';
import LineString from 'ol/geom/LineString';
import MultiLineString from 'ol/geom/MultiLineString';
import MultiPoint from 'ol/geom/MultiPoint';
import MultiPolygon from 'ol/geom/MultiPolygon';
import Point from 'ol/geom/Point';
import Polygon from 'ol/geom/Polygon';

import { Box } from '../types';
import { ringsOf } from './geometry';

type Position = number[];

/** A box as an area, across the antimeridian on both sides of the world. */
export function boxGeometry(box: Box): Geometry {
  const [west, south, east, north] = box;
  if (west === east && south === north) {
    return new Point([west, south]);
  }
  return new MultiPolygon(ringsOf(box).map(ring => [ring]));
}

/** A footprint; null where there is nothing to draw. */
export function footprintFeature(
  key: string,
  bbox: Box | null,
  shape: GeoJSON.Geometry | null
): Feature | null {
  let geometry: Geometry | null = null;
  try {
    geometry = shape && shapeGeometry(shape, bbox);
  } catch {
    // a catalogue may write anything; its box is still of use
  }
  geometry ??= bbox && boxGeometry(bbox);
  if (!geometry || !geometry.getExtent().every(Number.isFinite)) {
    return null;
  }
  const feature = new Feature(geometry);
  feature.setId(key);
  return feature;
}

/** `bbox` tells whether the shape crosses the antimeridian: it is then drawn in one piece. */
function shapeGeometry(shape: GeoJSON.Geometry, bbox: Box | null): Geometry | null {
  const crosses = bbox !== null && bbox[0] > bbox[2];
  const west = bbox?.[0] ?? -180;
  const at = ([x, y]: Position): Position => [
    crosses && x < west - 1e-6 ? x + 360 : x,
    y
  ];
  const again = (line: Position[]) => line.map(([x, y]) => [x - 360, y]);
  const twice = (lines: Position[][]) =>
    crosses ? [...lines, ...lines.map(again)] : lines;
  switch (shape.type) {
    case 'Point':
      return new Point(shape.coordinates.slice(0, 2));
    case 'MultiPoint':
      return new MultiPoint(shape.coordinates.map(one => one.slice(0, 2)));
    case 'LineString':
      return crosses
        ? new MultiLineString(twice([shape.coordinates.map(at)]))
        : new LineString(shape.coordinates.map(at));
    case 'MultiLineString':
      return new MultiLineString(twice(shape.coordinates.map(line => line.map(at))));
    case 'Polygon':
    case 'MultiPolygon': {
      const polygons = shape.type === 'Polygon' ? [shape.coordinates] : shape.coordinates;
      const drawn = polygons.map(rings => rings.map(ring => ring.map(at)));
      return drawn.length === 1 && !crosses
        ? new Polygon(drawn[0])
        : new MultiPolygon(
            crosses ? [...drawn, ...drawn.map(rings => rings.map(again))] : drawn
          );
    }
    default:
      return null;
  }
}

/** Land to fill, and its coast without the cuts at the antimeridian and at the pole. */
export function landFeatures(land: { coordinates: Position[][][] }): [Feature, Feature] {
  const coasts: Position[][] = [];
  for (const ring of land.coordinates.flat()) {
    let line: Position[] = [];
    for (const position of ring) {
      const before = line[line.length - 1];
      if (before && isCut(before, position)) {
        coasts.push(line);
        line = [];
      }
      line.push(position);
    }
    coasts.push(line);
  }
  return [
    new Feature(new MultiPolygon(land.coordinates)),
    new Feature(new MultiLineString(coasts.filter(line => line.length > 1)))
  ];
}

function isCut([x, y]: Position, [toX, toY]: Position): boolean {
  return (Math.abs(x) > 179.9 && Math.abs(toX) > 179.9) || (y < -89.9 && toY < -89.9);
}
