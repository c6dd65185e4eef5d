import { ApiError } from '../../api';
import { IEstimate, IOrder } from '../../types';
import { CheckoutModel, targetOf } from '../checkout';
import {
  ABOUT,
  AWAY,
  BASKET,
  ESTIMATE,
  LOST,
  ORDER,
  fakePelagos,
  fakeStore,
  later
} from './fake';

const TERMS = { key: 'cc', title: 'CC', text: 'Cite.', url: '' };

async function made(estimate: Partial<IEstimate> = {}) {
  const fake = fakePelagos();
  const store = fakeStore();
  fake.api.estimate.mockResolvedValue({ ...ESTIMATE, ...estimate });
  const model = new CheckoutModel(
    fake.api as any,
    fake.pelagos.basket,
    fake.pelagos.about,
    () => 'my-orders',
    store
  );
  const orders: (IOrder | null)[] = [];
  model.ordered.connect((_, order) => orders.push(order));
  await fake.pelagos.basket.load();
  model.visible = true;
  await settle();
  return { ...fake, basket: fake.pelagos.basket, store, model, orders };
}

const settle = () => jest.advanceTimersByTimeAsync(1000);
const keys = (order: jest.Mock) => order.mock.calls.map(([, key]) => key);

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

describe('the estimate', () => {
  it('is made when the basket is looked at, and again after changes, not after each', async () => {
    const { api, basket, model } = await made();
    expect(api.estimate).toHaveBeenCalledTimes(1);
    expect(model.state.estimate).toEqual(ESTIMATE);
    void basket.change({ kind: 'set', to: 'workspace' });
    await jest.advanceTimersByTimeAsync(50);
    void basket.remove([{ collection: 'argo', id: 'a1' }]);
    await settle();
    expect(api.estimate).toHaveBeenCalledTimes(2);
  });

  it('is not made again for a title', async () => {
    const { api, basket, model } = await made();
    await basket.change({ kind: 'set', title: 'Mine' });
    expect(model.state.estimating).toBe(false);
    await settle();
    expect(api.estimate).toHaveBeenCalledTimes(1);
  });

  it('of what the basket was is not shown', async () => {
    const { api, basket, model } = await made();
    const slow = later<IEstimate>();
    api.estimate.mockReturnValueOnce(slow.promise);
    model.estimate();
    await settle();
    const signal = api.estimate.mock.calls.at(-1)?.[0];
    api.estimate.mockResolvedValueOnce({ ...ESTIMATE, files: 1 });
    await basket.remove([{ collection: 'argo', id: 'a1' }]);
    expect(signal?.aborted).toBe(true);
    await settle();
    slow.resolve({ ...ESTIMATE, files: 99 });
    await settle();
    expect(model.state.estimate?.files).toBe(1);
  });

  it('waits while nobody looks', async () => {
    const { api, basket, model } = await made();
    model.visible = false;
    await basket.remove([{ collection: 'argo', id: 'a1' }]);
    await settle();
    expect(api.estimate).toHaveBeenCalledTimes(1);
    model.visible = true;
    await settle();
    expect(api.estimate).toHaveBeenCalledTimes(2);
  });

  it('that failed blocks the order until it is tried again', async () => {
    const { api, model } = await made();
    api.estimate.mockRejectedValueOnce(AWAY);
    model.estimate();
    await settle();
    expect(model.state.estimateError).toBe(AWAY);
    expect(model.blocked).toBe('unknown');
    model.estimate();
    await settle();
    expect(model.blocked).toBe('');
  });
});

describe('an order', () => {
  it.each([
    ['space', { fits: false, reason: 'Too large.' }],
    ['nothing', { files: 0 }],
    ['refused', { refused: [{ collection: 'argo', item: 'a1', reason: 'No.' }] }],
    ['terms', { accept: [TERMS] }]
  ])('is blocked by %s', async (why, estimate) => {
    const { api, model } = await made(estimate);
    expect(model.blocked).toBe(why);
    await model.order();
    expect(api.order).not.toHaveBeenCalled();
  });

  it('has the terms that were accepted', async () => {
    const { api, model, orders, basket } = await made({ accept: [TERMS] });
    model.accept('cc', true);
    expect(model.blocked).toBe('');
    await model.order();
    expect(api.order.mock.calls[0][0]).toEqual(['cc']);
    expect(orders).toEqual([ORDER]);
    expect(basket.count).toBe(0);
    expect(model.blocked).toBe('empty');
    expect(model.state.accepted).toEqual([]);
  });

  it('leaves out what was refused', async () => {
    const { model, basket } = await made({
      refused: [{ collection: 'argo', item: 'a2', reason: 'No.' }]
    });
    await model.leaveOut();
    expect(basket.has('argo', 'a1')).toBe(true);
    expect(basket.has('argo', 'a2')).toBe(false);
  });

  it('is one order however often its answer was lost', async () => {
    const { api, model, orders, store } = await made();
    api.order.mockRejectedValueOnce(LOST).mockRejectedValueOnce(AWAY);
    await model.order();
    expect(model.state.orderError).toBe(LOST);
    await model.order();
    await model.order();
    expect(orders).toEqual([ORDER]);
    const [first, ...others] = keys(api.order);
    expect(first.length).toBeGreaterThanOrEqual(8);
    expect(others).toEqual([first, first]);
    expect(store.getItem('jupyterlab-pelagos:order-key')).toBeNull();
  });

  it('keeps its key over a reload of the page', async () => {
    const { api, model, store, pelagos } = await made();
    api.order.mockRejectedValueOnce(LOST);
    await model.order();
    model.dispose();
    const again = new CheckoutModel(
      api as any,
      pelagos.basket,
      pelagos.about,
      () => '',
      store
    );
    again.visible = true;
    await settle();
    await again.order();
    const [first, second] = keys(api.order);
    expect(second).toBe(first);
  });

  it('is found again if only the answer was lost', async () => {
    const { api, model, orders } = await made();
    api.order.mockImplementationOnce(async () => {
      api.basket.mockResolvedValue({ ...BASKET, items: [], revision: 9 });
      throw LOST;
    });
    await model.order();
    expect(orders).toEqual([ORDER]);
    expect(new Set(keys(api.order)).size).toBe(1);
    expect(model.state.orderError).toBeNull();
  });

  it('that was refused is another one the next time, and is checked again', async () => {
    const { api, model } = await made();
    const full = new ApiError(409, 'The order does not fit.', 'Make room.');
    api.order.mockRejectedValueOnce(full);
    await model.order();
    expect(model.state.orderError).toBe(full);
    await settle();
    expect(api.estimate).toHaveBeenCalledTimes(2);
    await model.order();
    const [first, second] = keys(api.order);
    expect(second).not.toBe(first);
  });

  it('of another basket has another key', async () => {
    const { api, model, basket } = await made();
    api.order.mockRejectedValueOnce(LOST);
    await model.order();
    await basket.remove([{ collection: 'argo', id: 'a1' }]);
    await settle();
    await model.order();
    const [first, second] = keys(api.order);
    expect(second).not.toBe(first);
  });

  it('waits for a title that is on its way', async () => {
    const { api, model, basket } = await made();
    const slow = later<any>();
    api.changeBasket.mockReturnValueOnce(slow.promise);
    void basket.change({ kind: 'set', title: 'Mine' });
    const ordering = model.order();
    await settle();
    expect(api.order).not.toHaveBeenCalled();
    slow.resolve({ ...BASKET, title: 'Mine', revision: 2 });
    await ordering;
    expect(api.order).toHaveBeenCalledTimes(1);
  });
});

describe('where an order goes', () => {
  const without = { ...ABOUT, datapool: false };

  it('is what the server can', () => {
    expect(targetOf('workspace', ABOUT, 'f')).toBe('workspace');
    expect(targetOf('workspace', { ...ABOUT, workspace: false }, 'f')).toBe('dataspace');
    expect(targetOf('', { ...ABOUT, dataspace: false }, 'f')).toBe('workspace');
    expect(targetOf('mine', ABOUT, 'f')).toBe('mine');
    expect(targetOf('dataspace', without, 'f')).toBe('f');
    expect(targetOf('pelagos-orders', without, 'f')).toBe('f');
    expect(targetOf('mine', without, 'f')).toBe('mine');
  });

  it('is told to the server before it is estimated', async () => {
    const { api, model, basket } = await made();
    model.visible = false;
    api.basket.mockResolvedValue({ ...BASKET, to: '', revision: 3 });
    await basket.load();
    model.visible = true;
    await settle();
    expect(api.changeBasket).toHaveBeenCalledWith({ kind: 'set', to: 'dataspace' });
    expect(basket.state.basket?.to).toBe('dataspace');
  });
});
