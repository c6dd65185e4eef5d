import { useEffect, useState } from 'react';

import { Moment, dateOf, moment, relative } from './format';

/**
 * Tells who does not see it what has changed, when it suits.
 *
 * Give a sentence when a state changes, not for every percent.
 */
export function Live({ text }: { text: string }): JSX.Element {
  return (
    <div role="status" aria-live="polite" className="jp-Pelagos-unseen">
      {text}
    </div>
  );
}

/** Whether something has been under way for longer than anybody waits without a word. */
export function useSlow(isBusy: boolean, after = 2000): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    const clock = isBusy ? window.setTimeout(() => setSlow(true), after) : 0;
    return () => window.clearTimeout(clock);
  }, [isBusy, after]);
  return isBusy && slow;
}

/** The present in milliseconds, which moves on every `every` milliseconds while it is looked at. */
export function useNow(every = 60_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const tick = () => {
      if (!document.hidden) {
        setNow(Date.now());
      }
    };
    const clock = window.setInterval(tick, every);
    document.addEventListener('visibilitychange', tick);
    return () => {
      window.clearInterval(clock);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [every]);
  return now;
}

/** A time as distance from now, with the time itself as its title. */
export function Ago({ when, now }: { when: Moment; now: number }): JSX.Element | null {
  const text = relative(when, now);
  return text ? (
    <time dateTime={dateOf(when).toISOString()} title={moment(when)}>
      {text}
    </time>
  ) : null;
}
