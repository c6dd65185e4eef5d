import { waitFor } from '@testing-library/react';

import { ApiError } from '../../api';
import { oneAtATime } from '../../model/again';
import { OrdersModel } from '../../model/orders';
import { IOrder, IOrders } from '../../types';
import { FilesModel } from '../filesmodel';
import { AWAY, LOST, ORDER, READY, fakePelagos, later, listed } from './fake';

const order = (part: Partial<IOrder>): IOrder => ({ ...ORDER, ...part });

describe('one at a time', () => {
  it('makes one more run of all who asked meanwhile', async () => {
    const gates = [later<void>(), later<void>(), later<void>()];
    let runs = 0;
    const run = oneAtATime(() => gates[runs++].promise);
    const first = run();
    const others = [run(), run()];
    gates[0].resolve();
    await first;
    await Promise.resolve();
    expect(runs).toBe(2);
    gates[1].resolve();
    await Promise.all(others);
    expect(runs).toBe(2);
  });
});

describe('the basket', () => {
  it('gives back what was taken out last', async () => {
    const { pelagos } = fakePelagos();
    const model = pelagos.basket;
    await model.load();
    await model.remove([{ collection: 'argo', id: 'a1' }]);
    expect(model.count).toBe(1);
    await model.undo();
    expect(model.has('argo', 'a1')).toBe(true);
    expect(model.state.removed).toEqual([]);
    await model.clear();
    expect(model.count).toBe(0);
    await model.undo();
    expect(model.count).toBe(2);
  });

  it('takes the newest answer, and follows a server that lost its basket', async () => {
    const { api, pelagos } = fakePelagos();
    const model = pelagos.basket;
    const basket = await api.basket();
    const slow = later<any>();
    api.basket.mockReturnValueOnce(slow.promise);
    const loading = model.load();
    api.changeBasket.mockResolvedValueOnce({ ...basket, revision: 5, items: [] });
    await model.clear();
    slow.resolve({ ...basket, revision: 4 });
    await loading;
    expect(model.count).toBe(0);
    api.basket.mockResolvedValueOnce({ ...basket, revision: 1 });
    await model.load();
    expect(model.count).toBe(2);
  });

  it('says what was not done', async () => {
    const { api, pelagos } = fakePelagos();
    await pelagos.basket.load();
    api.changeBasket.mockRejectedValueOnce(LOST);
    await pelagos.basket.clear();
    expect(pelagos.basket.state.error).toBe(LOST);
    expect(pelagos.basket.count).toBe(2);
    expect(pelagos.basket.state.removed).toEqual([]);
  });
});

describe('orders', () => {
  const made = () => {
    const fake = fakePelagos();
    return { ...fake, model: new OrdersModel(fake.api as any, fake.changes) };
  };

  it('are asked for when an event tells of one, and the event is not believed', async () => {
    const { api, model, tell } = made();
    await model.load();
    api.showOrder.mockResolvedValue(order({ ...READY, sequence: 2 }));
    tell('order', '7', 99);
    await waitFor(() => expect(model.find('7')?.state).toBe('ready'));
    expect(api.showOrder).toHaveBeenCalledTimes(1);
    tell('order', '7', 2);
    tell('storage', '7', 3);
    expect(api.showOrder).toHaveBeenCalledTimes(1);
    model.dispose();
  });

  it('are listed once for however many events of orders that nobody knows', async () => {
    const { api, model, tell } = made();
    await model.load();
    api.orders.mockResolvedValue(listed(order({ id: '8', number: 8 }), ORDER));
    for (let index = 0; index < 50; index++) {
      tell('order', `x${index}`, index);
    }
    await waitFor(() => expect(model.find('8')).not.toBeNull());
    expect(api.orders).toHaveBeenCalledTimes(2);
    expect(api.showOrder).not.toHaveBeenCalled();
    model.dispose();
  });

  it('of an event that came while one was asked for are asked for again', async () => {
    const { api, model, tell } = made();
    await model.load();
    const slow = later<IOrder>();
    api.showOrder.mockReturnValueOnce(slow.promise);
    tell('order', '7', 2);
    api.showOrder.mockResolvedValue(order({ ...READY, sequence: 3 }));
    tell('order', '7', 3);
    slow.resolve(order({ sequence: 2 }));
    await waitFor(() => expect(model.find('7')?.sequence).toBe(3));
    expect(api.showOrder).toHaveBeenCalledTimes(2);
    model.dispose();
  });

  it('go when they are gone', async () => {
    const { api, model, tell } = made();
    await model.load();
    api.showOrder.mockRejectedValue(new ApiError(404, 'No such order.', ''));
    tell('order', '7', 2);
    await waitFor(() => expect(model.state.orders).toEqual([]));
    expect(model.state.error).toBeNull();
    model.dispose();
  });

  it('stay as they were when the server is away, and it is said', async () => {
    const { api, model } = made();
    await model.load();
    api.orders.mockRejectedValueOnce(AWAY);
    await model.load();
    expect(model.state.error).toBe(AWAY);
    expect(model.find('7')).not.toBeNull();
    await model.load();
    expect(model.state.error).toBeNull();
    model.dispose();
  });

  it('of this server are there while the data pool is away, beside what was known', async () => {
    const { api, model } = made();
    const mine = (part: Partial<IOrder>) => order({ id: 'local-1', number: 1, ...part });
    const missing = { reason: 'The data pool does not answer.', mend: 'Try again.' };
    api.orders.mockResolvedValueOnce({ orders: [], missing });
    await model.load();
    expect(model.state).toMatchObject({
      orders: null,
      error: { status: 503, ...missing }
    });
    api.orders.mockResolvedValueOnce(listed(ORDER, mine({}), mine({ id: 'local-2' })));
    await model.load();
    expect(model.state.error).toBeNull();
    const after = mine({ sequence: 9, state: 'ready' });
    api.orders.mockResolvedValueOnce({ orders: [after], missing });
    await model.load();
    // of this server's own, nothing is missing
    expect(model.state.orders).toEqual([ORDER, after]);
    expect(model.state.error).toMatchObject(missing);
    model.dispose();
  });

  it('that were placed are not lost to a list that was asked for before', async () => {
    const { api, model } = made();
    await model.load();
    const slow = later<IOrders>();
    api.orders.mockReturnValueOnce(slow.promise);
    const loading = model.load();
    model.put(order({ id: '8', number: 8, created: '2026-11-21T13:00:00Z' }));
    slow.resolve(listed(ORDER));
    await loading;
    expect(model.state.orders?.map(one => one.id)).toEqual(['8', '7']);
    expect(model.state.focus).toBe('8');
    model.dispose();
  });

  it('that were forgotten do not come back with such a list', async () => {
    const { api, model } = made();
    await model.load();
    const slow = later<IOrders>();
    api.orders.mockReturnValueOnce(slow.promise);
    const loading = model.load();
    await model.forget('7');
    slow.resolve(listed(ORDER));
    await loading;
    expect(model.state.orders).toEqual([]);
    model.dispose();
  });

  it('take an older sequence from a server that counts anew', async () => {
    const { api, model } = made();
    api.orders.mockResolvedValueOnce(listed(order({ sequence: 50 })));
    await model.load();
    api.orders.mockResolvedValueOnce(listed(order({ ...READY, sequence: 2 })));
    await model.load();
    expect(model.find('7')?.state).toBe('ready');
    model.dispose();
  });

  it('keep a refusal beside the order that it was of', async () => {
    const { api, model } = made();
    await model.load();
    api.cancelOrder.mockRejectedValueOnce(AWAY);
    await model.cancel('7');
    expect(model.state.failures).toEqual({ '7': AWAY });
    expect(model.state.busy).toEqual({});
    await model.cancel('7');
    expect(model.state.failures).toEqual({});
    expect(model.find('7')?.state).toBe('cancelled');
    await model.retry('7');
    expect(model.underWay).toBe(1);
    model.dispose();
  });

  it('are asked for when somebody opens the list, if that was a while ago', async () => {
    const { api, changes } = fakePelagos();
    let now = 1000;
    const model = new OrdersModel(api as any, changes, () => now);
    model.look();
    expect(api.orders).not.toHaveBeenCalled();
    await model.load();
    now += 2000;
    model.look();
    expect(api.orders).toHaveBeenCalledTimes(1);
    now += 10_000;
    model.look();
    expect(api.orders).toHaveBeenCalledTimes(2);
    model.dispose();
  });

  it('tell no failure any more of what was carried out though the answer was lost', async () => {
    const { api, model } = made();
    await model.load();
    api.cancelOrder.mockRejectedValueOnce(LOST);
    await model.cancel('7');
    // that it goes on says that it was not
    api.orders.mockResolvedValueOnce(listed(order({ sequence: 2 })));
    await model.load();
    expect(model.state.failures).toEqual({ '7': LOST });
    const ended = order({ sequence: 3, state: 'cancelled' });
    api.orders.mockResolvedValueOnce(listed(ended));
    await model.load();
    expect(model.state.failures).toEqual({});
    api.deleteOrder.mockRejectedValueOnce(LOST);
    await model.forget('7');
    api.orders.mockResolvedValueOnce(listed());
    await model.load();
    expect(model.state).toMatchObject({ orders: [], failures: {} });
    model.dispose();
  });

  it('that an event told of before the answer was lost did not fail', async () => {
    const { api, model, tell } = made();
    await model.load();
    const slow = later<never>();
    api.cancelOrder.mockReturnValueOnce(slow.promise);
    const cancelling = model.cancel('7');
    api.showOrder.mockResolvedValue(order({ sequence: 2, state: 'cancelled' }));
    tell('order', '7', 2);
    await waitFor(() => expect(model.find('7')?.state).toBe('cancelled'));
    slow.reject(LOST);
    await cancelling;
    expect(model.state.failures).toEqual({});
    model.dispose();
  });

  it('that were refused something stay refused', async () => {
    const { api, model } = made();
    await model.load();
    const refused = new ApiError(409, 'It is over.', '');
    api.cancelOrder.mockRejectedValueOnce(refused);
    await model.cancel('7');
    api.orders.mockResolvedValueOnce(listed(order({ ...READY, sequence: 2 })));
    await model.load();
    expect(model.state.failures).toEqual({ '7': refused });
    model.dispose();
  });

  it('that were forgotten already are gone', async () => {
    const { api, model } = made();
    await model.load();
    api.deleteOrder.mockRejectedValueOnce(new ApiError(404, 'No such order.', ''));
    await model.forget('7');
    expect(model.state.orders).toEqual([]);
    expect(model.state.failures).toEqual({});
    model.dispose();
  });
});

describe('polling of orders', () => {
  beforeEach(() => {
    jest.useFakeTimers();
    // a poll that failed comes again after a time by chance, now and then too often for a test
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('goes on while something is under way, and only then', async () => {
    const { api, changes } = fakePelagos();
    const model = new OrdersModel(api as any, changes);
    await model.start();
    expect(api.orders).toHaveBeenCalledTimes(1);
    api.orders.mockResolvedValue(listed(order({ ...READY, sequence: 2 })));
    await jest.advanceTimersByTimeAsync(31_000);
    expect(api.orders).toHaveBeenCalledTimes(2);
    await jest.advanceTimersByTimeAsync(120_000);
    expect(api.orders).toHaveBeenCalledTimes(2);
    model.put(order({ id: '8', sequence: 1 }));
    await jest.advanceTimersByTimeAsync(31_000);
    expect(api.orders).toHaveBeenCalledTimes(3);
    model.dispose();
  });

  it('goes on once after an answer was lost', async () => {
    const { api, changes } = fakePelagos();
    const model = new OrdersModel(api as any, changes);
    api.orders.mockResolvedValue(listed(order(READY)));
    await model.start();
    api.deleteOrder.mockRejectedValueOnce(LOST);
    await model.forget('7');
    await jest.advanceTimersByTimeAsync(120_000);
    expect(api.orders).toHaveBeenCalledTimes(2);
    model.dispose();
  });

  it('is slower while the server is away', async () => {
    const { api, changes } = fakePelagos();
    const model = new OrdersModel(api as any, changes);
    api.orders.mockRejectedValue(AWAY);
    await model.start();
    await jest.advanceTimersByTimeAsync(30 * 60_000);
    expect(api.orders.mock.calls.length).toBeGreaterThan(3);
    expect(api.orders.mock.calls.length).toBeLessThan(20);
    model.dispose();
  });
});

describe('files of an order', () => {
  const file = (path: string) => ({ path, state: 'ready' });

  it('come page by page, and are refreshed as far as they are shown', async () => {
    const { api } = fakePelagos();
    api.orderFiles.mockImplementation(async (_, offset = 0) => ({
      files: [file(`f${offset}`), file(`f${offset + 1}`)],
      next: offset < 6 ? offset + 2 : null
    }));
    const model = new FilesModel(api as any, '7');
    await model.load();
    await model.more();
    expect(model.state.files?.map(one => one.path)).toEqual(['f0', 'f1', 'f2', 'f3']);
    expect(model.state.next).toBe(4);
    api.orderFiles.mockClear();
    await model.load();
    expect(api.orderFiles).toHaveBeenCalledTimes(2);
    expect(model.state.files?.length).toBe(4);
  });

  it('stay when the server is away', async () => {
    const { api } = fakePelagos();
    const model = new FilesModel(api as any, '7');
    await model.load();
    api.orderFiles.mockRejectedValueOnce(AWAY);
    await model.load();
    expect(model.state).toMatchObject({ files: [], error: AWAY, loading: false });
  });
});
