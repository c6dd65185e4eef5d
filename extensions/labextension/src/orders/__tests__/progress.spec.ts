import { shareOf } from '../../model/orders';
import { Rate } from '../../model/rate';
import { IOrder } from '../../types';
import { ORDER } from './fake';

const order = (part: Partial<IOrder>): IOrder => ({ ...ORDER, ...part });

describe('progress', () => {
  it('is of bytes where all are known, else of files', () => {
    expect(shareOf(ORDER)).toBe(0.25);
    expect(shareOf(order({ bytes: { known: 100, unknown: 2, done: 90 } }))).toBe(0.25);
    const files = { total: 0, ready: 0, failed: 0, waiting: 0, cached: 0 };
    expect(
      shareOf(order({ files, bytes: { known: 0, unknown: 0, done: 0 } }))
    ).toBeNull();
  });

  const seen = (rate: Rate, at: number, done: number) =>
    rate.add(order({ bytes: { known: 1000, unknown: 0, done } }), at * 1000);

  it('tells a time that is left only when it can', () => {
    const rate = new Rate();
    const now = order({ bytes: { known: 1000, unknown: 0, done: 300 } });
    seen(rate, 0, 100);
    seen(rate, 5, 200);
    expect(rate.left(now, 5000)).toBeNull();
    seen(rate, 10, 300);
    expect(rate.left(now, 10_000)).toBeCloseTo(35);
    expect(rate.left(order({ ...now, state: 'waiting' }), 10_000)).toBeNull();
    expect(
      rate.left(order({ bytes: { known: 1000, unknown: 1, done: 300 } }), 10_000)
    ).toBeNull();
    expect(rate.left(now, 60_000)).toBeNull();
  });

  it('forgets what was before something began again', () => {
    const rate = new Rate();
    [100, 200, 300, 50].forEach((done, index) => seen(rate, index * 10, done));
    expect(rate.left(order({}), 30_000)).toBeNull();
  });
});
