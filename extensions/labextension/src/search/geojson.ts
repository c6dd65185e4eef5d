import { boxOf } from '../map/geometry';
import { isBox } from '../model/search';
import { Box } from '../types';

/** Bytes of a file that is still read. */
export const LARGEST = 10 * 2 ** 20;

export type GeoJsonFault = 'large' | 'json' | 'geojson' | 'empty' | 'degrees';

/** Why a file has no box. The sentence is for the component to say. */
export class GeoJsonError extends Error {
  constructor(readonly fault: GeoJsonFault) {
    super(fault);
  }
}

/** The bounding box of a GeoJSON file. Raises GeoJsonError. */
export async function boxOfFile(file: Blob): Promise<Box> {
  if (file.size > LARGEST) {
    throw new GeoJsonError('large');
  }
  let found: unknown;
  try {
    found = JSON.parse(await file.text());
  } catch {
    throw new GeoJsonError('json');
  }
  return boxOfGeoJson(found);
}

/**
 * The bounding box of any GeoJSON object (RFC 7946).
 *
 * It crosses the antimeridian where the object does: its `bbox` says so (section 5.2), a part goes
 * beyond 180 or jumps from one side to the other, or parts were cut there (section 3.1.9).
 */
export function boxOfGeoJson(found: unknown): Box {
  const said = (found as { bbox?: unknown } | null)?.bbox;
  if (Array.isArray(said) && (said.length === 4 || said.length === 6)) {
    const box = said.length === 4 ? said : [said[0], said[1], said[3], said[4]];
    if (isBox(box)) {
      return box;
    }
  }
  const lines = [...linesOf(found)];
  const spans = lines.filter(line => line.length).map(spanOf);
  if (!spans.length) {
    throw new GeoJsonError('empty');
  }
  const south = least(spans.map(one => one.south));
  const north = most(spans.map(one => one.north));
  const [west, east] = around(spans);
  return boxOf([west, south, east, north], 4);
}

type Position = [number, number];

interface ISpan {
  west: number;
  east: number;
  south: number;
  north: number;
}

const GEOMETRIES: Record<string, number> = {
  Point: 0,
  MultiPoint: 1,
  LineString: 1,
  MultiLineString: 2,
  Polygon: 2,
  MultiPolygon: 3
};

/** All parts as lines; a point is a line of one position. */
function* linesOf(found: unknown): Generator<Position[]> {
  const todo = [found];
  while (todo.length) {
    const one = todo.pop() as Record<string, unknown> | null;
    const type = String(one?.type);
    if (type === 'FeatureCollection' && Array.isArray(one!.features)) {
      for (const feature of one!.features) {
        todo.push(feature);
      }
    } else if (type === 'Feature') {
      if (one!.geometry) {
        todo.push(one!.geometry);
      }
    } else if (type === 'GeometryCollection' && Array.isArray(one!.geometries)) {
      for (const geometry of one!.geometries) {
        todo.push(geometry);
      }
    } else if (type in GEOMETRIES && Array.isArray(one!.coordinates)) {
      yield* cut(one!.coordinates, GEOMETRIES[type], type === 'MultiPoint');
    } else {
      throw new GeoJsonError('geojson');
    }
  }
}

function* cut(
  coordinates: unknown[],
  depth: number,
  apart: boolean
): Generator<Position[]> {
  if (depth === 0) {
    yield coordinates.length ? [position(coordinates)] : [];
  } else if (depth === 1) {
    const line = coordinates.map(position);
    yield* apart ? line.map(one => [one]) : [line];
  } else {
    for (const part of coordinates) {
      if (!Array.isArray(part)) {
        throw new GeoJsonError('geojson');
      }
      yield* cut(part, depth - 1, apart);
    }
  }
}

function position(found: unknown): Position {
  const [x, y] = Array.isArray(found) ? found : [];
  if (typeof x !== 'number' || typeof y !== 'number') {
    throw new GeoJsonError('geojson');
  }
  if (!(Math.abs(x) <= 360) || !(Math.abs(y) <= 90)) {
    throw new GeoJsonError('degrees');
  }
  return [x, y];
}

/** From west to east along a line; a jump of more than half the world goes the short way. */
function spanOf(line: Position[]): ISpan {
  let [at, y] = line[0];
  const span = { west: at, east: at, south: y, north: y };
  for (let index = 1; index < line.length; index++) {
    const step = line[index][0] - line[index - 1][0];
    // -180 to 180 is the edge of a world map, not a jump
    const jumps = Math.abs(step) > 180 && Math.abs(step) < 360;
    at += jumps ? step - Math.sign(step) * 360 : step;
    y = line[index][1];
    span.west = Math.min(span.west, at);
    span.east = Math.max(span.east, at);
    span.south = Math.min(span.south, y);
    span.north = Math.max(span.north, y);
  }
  return span;
}

function around(spans: ISpan[]): [number, number] {
  const west = least(spans.map(one => one.west));
  const east = most(spans.map(one => one.east));
  const beyond = west < -180 || east > 180;
  const isCut =
    spans.some(one => one.east === 180) && spans.some(one => one.west === -180);
  if (!beyond && !isCut) {
    return [west, east];
  }
  return widestGap(spans) ?? [-180, 180];
}

/** What is left of the circle without its widest gap; null if there is none. */
function widestGap(spans: ISpan[]): [number, number] | null {
  const turned = spans
    .map(({ west, east }) => {
      const shift = Math.floor((west + 180) / 360) * 360;
      return [west - shift, east - shift];
    })
    .sort((a, b) => a[0] - b[0]);
  const [first] = turned;
  // what goes beyond 180 covers the beginning of the circle, too
  let reached = Math.max(first[1], most(turned.map(([, east]) => east)) - 360);
  let best: { from: number; to: number } = { from: 0, to: 0 };
  for (const [west, east] of [...turned.slice(1), [first[0] + 360, first[1] + 360]]) {
    if (west - reached > best.to - best.from) {
      best = { from: reached, to: west };
    }
    reached = Math.max(reached, east);
  }
  return best.to > best.from ? [best.to, best.from + 360] : null;
}

function least(values: number[]): number {
  return values.reduce((a, b) => Math.min(a, b));
}

function most(values: number[]): number {
  return values.reduce((a, b) => Math.max(a, b));
}
