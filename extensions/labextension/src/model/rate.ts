import { IOrder } from '../types';

const WINDOW = 60_000;
const ENOUGH = 10_000;
const STALE = 45_000;
const LONGEST = 24 * 3600;

/** How fast an order comes in, by what was seen in the last minute. */
export class Rate {
  add({ bytes }: IOrder, now: number): void {
    const last = this._seen.at(-1);
    if (last && bytes.done < last.done) {
      // something began again
      this._seen = [];
    }
    if (!last || bytes.done !== last.done) {
      this._seen.push({ at: now, done: bytes.done });
    }
    // one older than the window stays as its beginning
    while (this._seen.length > 2 && this._seen[1].at < now - WINDOW) {
      this._seen.shift();
    }
  }

  /**
   * Seconds, or null where a number would be a guess: a size unknown, a wait for the source,
   * too little seen, nothing new for a while, or more than a day.
   */
  left({ state, bytes }: IOrder, now: number): number | null {
    const [first, last] = [this._seen[0], this._seen.at(-1)];
    if (
      state !== 'fetching' ||
      bytes.unknown ||
      !first ||
      !last ||
      this._seen.length < 3
    ) {
      return null;
    }
    const span = last.at - first.at;
    if (span < ENOUGH || now - last.at > STALE) {
      return null;
    }
    const seconds = ((bytes.known - last.done) * span) / (last.done - first.done) / 1000;
    return Number.isFinite(seconds) && seconds > 0 && seconds < LONGEST ? seconds : null;
  }

  private _seen: { at: number; done: number }[] = [];
}
