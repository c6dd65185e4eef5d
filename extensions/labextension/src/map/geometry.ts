import { fixed } from '../common/format';
import { Box } from '../types';

/** As OpenLayers counts it: west <= east, longitudes beyond 180 where it crosses. */
export type Extent = [number, number, number, number];

/** A longitude from -180 to 180. */
export function wrapped(lon: number): number {
  const inside = ((((lon + 180) % 360) + 360) % 360) - 180;
  return inside === -180 && lon > 0 ? 180 : inside;
}

/** The same box with an east that is not west of its west. */
export function unwrapped([west, south, east, north]: Box): Extent {
  return [west, south, east < west ? east + 360 : east, north];
}

/**
 * The box between two longitudes that were passed from west to east, and two latitudes.
 *
 * `digits`: how many decimals a pixel deserves.
 */
export function boxOf([west, south, east, north]: Extent, digits = 2): Box {
  const round = (value: number) => Number(value.toFixed(digits));
  const low = round(Math.max(-90, Math.min(90, south)));
  const high = round(Math.max(-90, Math.min(90, north)));
  if (east - west >= 360) {
    return [-180, low, 180, high];
  }
  // 180 is where one box ends and another one begins
  let [from, to] = [round(wrapped(west)), round(wrapped(east))];
  if (from === 180) {
    from = -180;
  }
  if (to === -180 && east > west) {
    to = 180;
  }
  return [from + 0, low + 0, to + 0, high + 0];
}

/** Decimals that say where a pixel is, for a resolution in degrees per pixel. */
export function digitsFor(resolution: number): number {
  return Math.max(0, Math.min(4, Math.ceil(-Math.log10(resolution))));
}

/** Where a box is taken: its inside, or which of its sides go with the pointer. */
export type Grip = 'move' | { x: '' | 'w' | 'e'; y: '' | 's' | 'n' };

/**
 * What of an extent is at a place, null if nothing; with how many degrees the place is away from
 * where the extent is counted (a world repeats every 360).
 *
 * `reach` in degrees: how near to a side is on it.
 */
export function gripAt(
  extent: Extent,
  [x, y]: [number, number],
  reach: number
): { grip: Grip; shift: number } | null {
  const [west, south, east, north] = extent;
  const first = Math.ceil((x - east - reach) / 360);
  const last = Math.floor((x - west + reach) / 360);
  for (let world = first; world <= last; world++) {
    const shift = world * 360 + 0;
    const at = x - shift;
    if (y < south - reach || y > north + reach) {
      continue;
    }
    const onWest = Math.abs(at - west) <= reach;
    const onEast = Math.abs(at - east) <= reach;
    const onSouth = Math.abs(y - south) <= reach;
    const onNorth = Math.abs(y - north) <= reach;
    // a box of a few pixels can still be made larger: the nearer side wins
    const sideX = onWest && (!onEast || at - west < east - at) ? 'w' : onEast ? 'e' : '';
    const sideY =
      onSouth && (!onNorth || y - south < north - y) ? 's' : onNorth ? 'n' : '';
    return {
      grip: sideX || sideY ? { x: sideX, y: sideY } : 'move',
      shift
    };
  }
  return null;
}

/** An extent after a grip was dragged by some degrees; sides may change places. */
export function dragged(extent: Extent, grip: Grip, dx: number, dy: number): Extent {
  let [west, south, east, north] = extent;
  if (grip === 'move') {
    const step = Math.max(-90 - south, Math.min(90 - north, dy));
    return [west + dx, south + step, east + dx, north + step];
  }
  west += grip.x === 'w' ? dx : 0;
  east += grip.x === 'e' ? dx : 0;
  south += grip.y === 's' ? dy : 0;
  north += grip.y === 'n' ? dy : 0;
  return [
    Math.min(west, east),
    Math.min(south, north),
    Math.max(west, east),
    Math.max(south, north)
  ];
}

/** `10° W`; a place with as many decimals as asked for. */
export function degrees(value: number, kind: 'lon' | 'lat', digits = 0): string {
  const inside = kind === 'lon' ? wrapped(value) : value;
  const size = Math.abs(inside);
  const zero = Number(size.toFixed(digits)) === 0 || (kind === 'lon' && size === 180);
  const side = kind === 'lon' ? (inside < 0 ? 'W' : 'E') : inside < 0 ? 'S' : 'N';
  const text = fixed(size, digits);
  return zero ? `${text}°` : `${text}° ${side}`;
}

/** `30° N – 49° N, 75° W – 40° W`, a point `40.5° N, 12° W`: two decimals at most. */
export function placeText([west, south, east, north]: Box): string {
  const text = (value: number, kind: 'lon' | 'lat') => {
    const decimals = String(Math.round(value * 100) / 100).split('.')[1];
    return degrees(value, kind, decimals?.length ?? 0);
  };
  const between = (low: number, high: number, kind: 'lon' | 'lat') =>
    low === high ? text(low, kind) : `${text(low, kind)} – ${text(high, kind)}`;
  const lats = between(south, north, 'lat');
  // round the world: from 180° to 180° would say nothing
  return east - west >= 360 ? lats : `${lats}, ${between(west, east, 'lon')}`;
}

/** The same area without overlap, cut at the antimeridian. */
export function halvesOf(box: Box): Box[] {
  const [west, south, east, north] = box;
  return east < west
    ? [
        [west, south, 180, north],
        [-180, south, east, north]
      ]
    : [box];
}

/** Rings of a box; one across the antimeridian twice, for each side of the world. */
export function ringsOf(box: Box): [number, number][][] {
  const [west, south, east, north] = unwrapped(box);
  const ring = (shift: number): [number, number][] => [
    [west + shift, south],
    [east + shift, south],
    [east + shift, north],
    [west + shift, north],
    [west + shift, south]
  ];
  return east > 180 ? [ring(0), ring(-360)] : [ring(0)];
}
