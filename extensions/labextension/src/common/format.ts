/**
 * Numbers, sizes and times for people, in JupyterLab's language.
 *
 * JupyterLab's language is that of the page (`<html lang>`); where the browser has the same with a
 * region (`en-GB`), that one's habits are followed.
 */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** What a time may be given as: RFC 3339, Unix seconds, or a Date. */
export type Moment = string | number | Date;

export function language(): string {
  const page = (document.documentElement.lang || 'en').replace('_', '-');
  const mine = navigator.language ?? '';
  const wanted = mine.split('-')[0] === page ? mine : page;
  try {
    return Intl.getCanonicalLocales(wanted)[0] ?? 'en';
  } catch {
    return 'en';
  }
}

export function dateOf(moment: Moment): Date {
  return typeof moment === 'number' ? new Date(moment * 1000) : new Date(moment);
}

/** `1,234` */
export function number(value: number): string {
  return numbers({}).format(value);
}

/** `10.50`: with as many decimals as asked for. */
export function fixed(value: number, digits: number): string {
  return numbers({
    minimumFractionDigits: digits,
    maximumFractionDigits: digits
  }).format(value);
}

/** `42 %`; `share` from 0 to 1. Only what is whole is 100 %. */
export function percent(share: number): string {
  const shown = share < 1 ? Math.min(share, 0.99) : 1;
  return numbers({ style: 'percent', maximumFractionDigits: 0 }).format(shown);
}

/** A size in binary units, as the rest of the VRE says it: 1536 is `1.5 KiB`. */
export function bytes(size: number): string {
  let value = Math.max(0, size);
  let unit = 0;
  // 1023.7 would be shown as 1,024
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 99.95 ? 1 : 0;
  const text = numbers({ maximumFractionDigits: digits }).format(value);
  return `${text}\u00a0${UNITS[unit]}`;
}

/** `21 Nov 2026, 15:48` where the person is; empty for what is no time. */
export function moment(when: Moment): string {
  const date = dateOf(when);
  return isNaN(date.valueOf()) ? '' : dates().format(date);
}

/** `in 2 hours`, `3 days ago`, in whole units rounded down, so that nothing is promised too long. */
export function relative(when: Moment, now: number = Date.now()): string {
  const seconds = (dateOf(when).valueOf() - now) / 1000;
  if (!Number.isFinite(seconds)) {
    return '';
  }
  const size = Math.abs(seconds);
  const [unit, length] = unitOf(size);
  const count = Math.floor(size / length);
  if (unit === 'second' && count < 1) {
    return nows().format(0, unit);
  }
  return relatives().format(seconds < 0 ? -count : count, unit);
}

/** `5 min`, `2 hr`, for how long something takes; the largest unit that fits, rounded up. */
export function duration(seconds: number): string {
  const [unit, length] = unitOf(seconds);
  return numbers({ style: 'unit', unit, unitDisplay: 'short' }).format(
    Math.max(1, Math.ceil(seconds / length))
  );
}

function unitOf(seconds: number): ['day' | 'hour' | 'minute' | 'second', number] {
  // two days are better said as 48 hours only while hours count
  if (seconds >= 2 * DAY) {
    return ['day', DAY];
  }
  if (seconds >= 1.5 * HOUR) {
    return ['hour', HOUR];
  }
  return seconds >= MINUTE ? ['minute', MINUTE] : ['second', 1];
}

// making a formatter is slow, and lists ask for many
const made = new Map<string, unknown>();

function kept<F>(key: string, make: (language: string) => F): F {
  const wanted = language();
  const name = `${wanted} ${key}`;
  let found = made.get(name) as F | undefined;
  if (!found) {
    found = make(wanted);
    made.set(name, found);
  }
  return found;
}

function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  return kept(
    `n ${JSON.stringify(options)}`,
    wanted => new Intl.NumberFormat(wanted, options)
  );
}

function dates(): Intl.DateTimeFormat {
  return kept(
    'd',
    wanted => new Intl.DateTimeFormat(wanted, { dateStyle: 'medium', timeStyle: 'short' })
  );
}

// `now`; elsewhere it would say "yesterday" for what may be in the same night
function nows(): Intl.RelativeTimeFormat {
  return kept('w', wanted => new Intl.RelativeTimeFormat(wanted, { numeric: 'auto' }));
}

function relatives(): Intl.RelativeTimeFormat {
  return kept('r', wanted => new Intl.RelativeTimeFormat(wanted, { numeric: 'always' }));
}
