import { Notification } from '@jupyterlab/apputils';

import { OrdersModel } from '../../model/orders';
import { CommandIDs } from '../../tokens';
import { IOrder } from '../../types';
import { Teller } from '../tell';
import { ORDER, READY, fakePelagos, fakeStore, listed } from './fake';

const order = (part: Partial<IOrder>): IOrder => ({ ...ORDER, ...part });
const notes = () => Notification.manager.notifications;

function made(store = fakeStore()) {
  const fake = fakePelagos();
  const model = new OrdersModel(fake.api as any, fake.changes);
  const teller = new Teller(fake.pelagos, model, store);
  const show = async (...orders: IOrder[]) => {
    fake.api.orders.mockResolvedValueOnce(listed(...orders));
    await model.load();
  };
  return { ...fake, model, teller, store, show };
}

beforeEach(() => Notification.dismiss());

describe('an order that is over', () => {
  it('is told of once, in the note that showed its progress', async () => {
    const { show, executed } = made();
    await show(ORDER);
    expect(notes().map(one => one.type)).toEqual(['in-progress']);
    await show(order({ ...READY, sequence: 2 }));
    await show(order({ ...READY, sequence: 3 }));
    expect(notes().map(one => [one.type, one.message])).toEqual([
      ['success', 'Order 7 is ready.']
    ]);
    const actions = notes()[0].options.actions ?? [];
    expect(actions.map(one => one.label)).toEqual(['Add to notebook', 'Show']);
    actions[0].callback({} as any);
    actions[1].callback({} as any);
    expect(executed.mock.calls.map(([id]) => id)).toEqual([
      CommandIDs.insert,
      CommandIDs.open
    ]);
  });

  it('says why it failed', async () => {
    const { show } = made();
    await show(ORDER);
    await show(
      order({ ...READY, state: 'failed', error: 'No answer.', title: 'Bay', sequence: 2 })
    );
    expect(notes().map(one => [one.type, one.message])).toEqual([
      ['error', 'Bay failed. No answer.']
    ]);
  });

  it('is no news if it was so before', async () => {
    const { show } = made();
    await show(order(READY), order({ id: '6', number: 6, state: 'failed' }));
    expect(notes()).toEqual([]);
  });

  it('is told of after a reload if it was watched before, and not again', async () => {
    const store = fakeStore();
    await made(store).show(ORDER);
    Notification.dismiss();
    await made(store).show(order({ ...READY, sequence: 2 }));
    expect(notes().map(one => one.type)).toEqual(['success']);
    Notification.dismiss();
    await made(store).show(order({ ...READY, sequence: 2 }));
    expect(notes()).toEqual([]);
  });

  it('is told of if it was placed here and ready at once', async () => {
    const { model, show } = made();
    await show();
    model.put(order(READY));
    expect(notes().map(one => one.type)).toEqual(['success']);
  });

  it('is no news if it was cancelled or forgotten', async () => {
    const { show } = made();
    await show(ORDER, order({ id: '8', number: 8 }));
    await show(order({ state: 'cancelled', sequence: 2 }));
    expect(notes()).toEqual([]);
  });

  it('is told of no more when it was forgotten', async () => {
    const { show } = made();
    const other = (part: Partial<IOrder>) => order({ id: '8', number: 8, ...part });
    await show(ORDER, other({}));
    await show(order({ ...READY, sequence: 2 }), other({ ...READY, sequence: 2 }));
    expect(notes()).toHaveLength(2);
    await show(other({ ...READY, sequence: 2 }));
    expect(notes().map(one => one.message)).toEqual(['Order 8 is ready.']);
  });

  it('is not told of who does not want it', async () => {
    const { show, pelagos } = made();
    pelagos.settings.notifyWhenReady = false;
    await show(ORDER);
    await show(order({ ...READY, sequence: 2 }));
    expect(notes()).toEqual([]);
  });

  it('leaves a note alone that was dismissed', async () => {
    const { show } = made();
    await show(ORDER);
    Notification.dismiss();
    await show(order({ sequence: 2 }));
    expect(notes()).toEqual([]);
    await show(order({ ...READY, sequence: 3 }));
    expect(notes().map(one => one.type)).toEqual(['success']);
  });
});

describe('who looks at another tab', () => {
  afterEach(() => {
    delete (document as any).hidden;
    delete (window as any).Notification;
  });

  it.each(['granted', 'default'])('with permission %s', async permission => {
    const system = jest.fn();
    const asked = jest.fn();
    (window as any).Notification = Object.assign(system, {
      permission,
      requestPermission: asked
    });
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.title = 'a.ipynb';
    const { show } = made();
    await show(ORDER);
    await show(order({ ...READY, sequence: 2 }));
    expect(document.title).toBe('✓ a.ipynb');
    expect(system).toHaveBeenCalledTimes(permission === 'granted' ? 1 : 0);
    expect(asked).not.toHaveBeenCalled();
    Object.defineProperty(document, 'hidden', { value: false, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
    expect(document.title).toBe('a.ipynb');
  });
});
