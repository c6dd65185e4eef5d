import { TranslationBundle } from '@jupyterlab/translation';

export interface IPreset {
  id: string;
  title: string;
  start: string | null;
  end: string | null;
}

/** A day as criteria and date fields have it. */
export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** Ranges of time that people often want, at a given present; days in UTC. */
export function presets(trans: TranslationBundle, now = new Date()): IPreset[] {
  const end = dayOf(now);
  const year = now.getUTCFullYear();
  const back = (years: number, days: number) => {
    const date = new Date(now);
    date.setUTCFullYear(year - years);
    date.setUTCDate(date.getUTCDate() - days);
    return dayOf(date);
  };
  const decade = year - (year % 10);
  return [
    { id: 'any', title: trans.__('Any time'), start: null, end: null },
    { id: 'month', title: trans.__('Last 30 days'), start: back(0, 30), end },
    { id: 'year', title: trans.__('Last year'), start: back(1, 0), end },
    { id: 'ten', title: trans.__('Last 10 years'), start: back(10, 0), end },
    { id: 'decade', title: trans.__('This decade'), start: `${decade}-01-01`, end },
    {
      id: 'before',
      title: trans.__('The decade before'),
      start: `${decade - 10}-01-01`,
      end: `${decade - 1}-12-31`
    }
  ];
}

/** What is wrong with a first and a last day; empty if nothing is. */
export function faultOfDays(
  start: string | null,
  end: string | null,
  trans: TranslationBundle
): string {
  const early = [start, end].some(day => day && day < '1700');
  if (early) {
    return trans.__('Years have four digits and begin at 1700.');
  }
  return start && end && start.slice(0, 10) > end.slice(0, 10)
    ? trans.__('The last day is before the first one.')
    : '';
}

/** `2015-01-01 – 2026-11-21`, `from 2015-01-01`, `until …`; empty for any time. */
export function periodOf(
  start: string | null,
  end: string | null,
  trans: TranslationBundle
): string {
  const [from, to] = [start?.slice(0, 10), end?.slice(0, 10)];
  if (from && to) {
    return from === to ? from : `${from} – ${to}`;
  }
  if (from) {
    return trans.__('from %1', from);
  }
  return to ? trans.__('until %1', to) : '';
}
