/** Least and largest of what is there; null if nothing is. */
export function extentOf(values: readonly (number | null)[]): [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value !== null && Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? [low, high] : null;
}

/** An extent that has a width, so that a constant can be drawn. */
export function widened([low, high]: [number, number]): [number, number] {
  if (low !== high) {
    return [low, high];
  }
  const margin = Math.abs(low) * 0.05 || 1;
  return [low - margin, high + margin];
}

/** A position in pixels for a value; `range` may run backwards. */
export function scale(
  [low, high]: [number, number],
  [from, to]: [number, number]
): (value: number) => number {
  const factor = (to - from) / (high - low);
  return value => from + (value - low) * factor;
}

/** About `count` round numbers inside of an extent: steps of 1, 2 or 5 times a power of ten. */
export function ticks([low, high]: [number, number], count = 5): number[] {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const error = rough / power;
  const step = power * (error >= 7.07 ? 10 : error >= 3.16 ? 5 : error >= 1.41 ? 2 : 1);
  const found: number[] = [];
  if (!(step > 0) || !Number.isFinite(step)) {
    return found;
  }
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  for (let index = first; index <= last; index++) {
    // what 3 * 0.1 leaves behind
    found.push(Number((index * step).toPrecision(12)));
  }
  return found;
}

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 5, 15, 30].map(n => n * SECOND),
  ...[1, 5, 15, 30].map(n => n * 60 * SECOND),
  ...[1, 3, 6, 12].map(n => n * HOUR),
  ...[1, 2, 3, 5, 10, 15].map(n => n * DAY)
];
const MONTHS = [1, 3, 6, 12, 24, 60, 120, 240, 600, 1200];

/** Round times (milliseconds since 1970, UTC) inside of an extent, each with its text. */
export function timeTicks(
  [low, high]: [number, number],
  count = 5
): { at: number; text: string }[] {
  const rough = (high - low) / Math.max(1, count);
  const step = STEPS.find(one => one >= rough);
  if (step !== undefined) {
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
      const text = new Date(at).toISOString();
      found.push({
        at,
        text:
          step >= DAY
            ? text.slice(0, 10)
            : step >= 60 * SECOND
              ? at % DAY === 0
                ? text.slice(5, 10)
                : text.slice(11, 16)
              : text.slice(11, 19)
      });
    }
    return found;
  }
  const months = MONTHS.find(one => one * 30.4 * DAY >= rough) ?? 2400;
  const start = new Date(low);
  const found = [];
  let month =
    Math.floor((start.getUTCFullYear() * 12 + start.getUTCMonth()) / months) * months;
  for (let at = 0; at <= high; month += months) {
    at = Date.UTC(Math.floor(month / 12), month % 12);
    if (at >= low && at <= high) {
      found.push({ at, text: new Date(at).toISOString().slice(0, months < 12 ? 7 : 4) });
    }
    if (found.length > 50) {
      break;
    }
  }
  return found;
}

/** A number short enough for an axis. */
export function shortText(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e6 || size < 1e-3)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(5)));
}

/** Index of the value of an ascending or descending axis that is nearest. */
export function nearest(axis: readonly number[], value: number): number {
  let [low, high] = [0, axis.length - 1];
  const rising = axis[high] >= axis[low];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (axis[middle] < value === rising) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return Math.abs(axis[low] - value) <= Math.abs(axis[high] - value) ? low : high;
}
