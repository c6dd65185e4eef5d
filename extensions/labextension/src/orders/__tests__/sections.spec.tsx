import { act, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { OrdersModel } from '../../model/orders';
import { CommandIDs } from '../../tokens';
import { IOrder } from '../../types';
import { BasketSection } from '../basket';
import { CheckoutModel } from '../checkout';
import { cutsOf, groupsOf } from '../groups';
import { OrdersSection } from '../orders';
import {
  ABOUT,
  AWAY,
  BASKET,
  ESTIMATE,
  ITEM,
  LOST,
  ORDER,
  READY,
  SIGNED_OUT,
  fakeApi,
  fakePelagos,
  fakeStore,
  later,
  listed
} from './fake';

const button = (name: string | RegExp) => screen.getByRole('button', { name });
const order = (part: Partial<IOrder>): IOrder => ({ ...ORDER, ...part });

async function basket(api = fakeApi()) {
  const fake = fakePelagos(api);
  const checkout = new CheckoutModel(
    api as any,
    fake.pelagos.basket,
    fake.pelagos.about,
    () => 'my-orders',
    fakeStore()
  );
  render(<BasketSection pelagos={fake.pelagos} checkout={checkout} />);
  await act(() => fake.pelagos.basket.load());
  return { ...fake, checkout };
}

describe('the basket', () => {
  it('that is empty leads to the search', async () => {
    const api = fakeApi();
    api.basket.mockResolvedValue({ ...BASKET, items: [] });
    const { executed } = await basket(api);
    await screen.findByText('Your basket is empty.');
    await userEvent.click(button('Search'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.open, { section: 'search' });
    expect(api.estimate).not.toHaveBeenCalled();
  });

  it('shows sizes, says which are unknown, and gives back what was removed', async () => {
    await basket();
    await screen.findByText(/2 granules, 2 files · 1 KiB and 1 granule of unknown size/);
    await userEvent.click(button('Remove Float 2'));
    await screen.findByText(/1 granule, 1 file · 1 KiB/);
    expect(document.activeElement?.getAttribute('aria-label')).toBe('Remove Float 1');
    await userEvent.click(button('Undo'));
    await screen.findByText(/2 granules/, { selector: 'h3' });
  });

  it('is ordered with a title, by keyboard', async () => {
    const { api } = await basket();
    await screen.findByText('It fits.');
    const user = userEvent.setup();
    await user.click(screen.getByRole('textbox', { name: /Title/ }));
    await user.keyboard('Bay{Enter}');
    expect(api.changeBasket).toHaveBeenCalledWith({ kind: 'set', title: 'Bay' });
    expect(api.order).not.toHaveBeenCalled();
    button('Order 2 files').focus();
    await user.keyboard('{Enter}');
    await waitFor(() => expect(api.order).toHaveBeenCalledTimes(1));
  });

  it('that does not fit says why, and can go elsewhere', async () => {
    const api = fakeApi();
    const reason = 'There are 1 KiB left.';
    api.estimate.mockResolvedValue({ ...ESTIMATE, fits: false, reason, free: 1024 });
    await basket(api);
    await screen.findByText('It does not fit.');
    expect(screen.getByText(/There are 1 KiB left/)).toBeTruthy();
    const send = button('Order 2 files');
    expect(send).toHaveProperty('disabled', true);
    const why = document.getElementById(send.getAttribute('aria-describedby') ?? '');
    expect(why?.textContent).toContain('It does not fit');
    const meter = screen.getByRole('meter', { name: 'Space for this order' });
    expect(meter.className).toContain('jp-mod-full');
    await userEvent.click(screen.getByRole('radio', { name: 'Workspace' }));
    expect(api.changeBasket).toHaveBeenCalledWith({ kind: 'set', to: 'workspace' });
  });

  it('says so when the answer takes long', async () => {
    const api = fakeApi();
    const slow = later<typeof ESTIMATE>();
    api.estimate.mockReturnValueOnce(slow.promise);
    await basket(api);
    const why = await screen.findByText(
      'Checking whether it fits … The data pool is slow to answer.'
    );
    const told = screen.getAllByRole('status').map(one => one.textContent);
    expect(told).toContain('The data pool is slow to answer.');
    act(() => slow.resolve(ESTIMATE));
    await screen.findByText('It fits.');
    expect(why.textContent).toBe('');
  });

  it('leaves out what can’t be ordered', async () => {
    const api = fakeApi();
    const refused = [{ collection: 'argo', item: 'a2', reason: 'It has no files.' }];
    api.estimate.mockResolvedValueOnce({ ...ESTIMATE, refused });
    await basket(api);
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('a2: It has no files.');
    await userEvent.click(button('Leave it out'));
    await screen.findByText(/1 granule, 1 file/);
    await waitFor(() =>
      expect(button(/Order 2 files/)).toHaveProperty('disabled', false)
    );
  });

  it('has terms as text, with safe links, each to be accepted', async () => {
    const api = fakeApi();
    const terms = (key: string, url: string) => ({
      key,
      title: `Licence ${key}`,
      text: '<b>Cite</b> us.',
      url
    });
    api.estimate.mockResolvedValue({
      ...ESTIMATE,
      accept: [terms('A', 'https://example.org/a'), terms('B', 'javascript:alert(1)')]
    });
    await basket(api);
    expect((await screen.findAllByText('<b>Cite</b> us.')).length).toBe(2);
    const links = screen.getAllByRole('link');
    expect(links.map(one => one.getAttribute('href'))).toEqual(['https://example.org/a']);
    await userEvent.click(screen.getByRole('checkbox', { name: /terms of Licence A/ }));
    expect(button('Order 2 files')).toHaveProperty('disabled', true);
    await userEvent.click(screen.getByRole('checkbox', { name: /terms of Licence B/ }));
    await userEvent.click(button('Order 2 files'));
    await waitFor(() => expect(api.order.mock.calls[0]?.[0]).toEqual(['A', 'B']));
  });

  it('shows what would be cut out', async () => {
    const api = fakeApi();
    const cut = { bbox: [-10, 40, 0, 50] as any, start: '2020-01-01', end: null };
    api.basket.mockResolvedValue({ ...BASKET, items: [{ ...ITEM, cut }] });
    await basket(api);
    const box = await screen.findByRole('checkbox', { name: /Cut out the box/ });
    expect(screen.getByText('40° N – 50° N, 10° W – 0° · from 2020-01-01')).toBeTruthy();
    await userEvent.click(box);
    expect(api.changeBasket).toHaveBeenCalledWith({ kind: 'set', cut: false });
  });

  it('asks for a folder where there is no data pool', async () => {
    const api = fakeApi();
    api.about.mockResolvedValue({ ...ABOUT, datapool: false });
    await basket(api);
    const folder = await screen.findByRole('textbox', { name: 'Into the folder' });
    await waitFor(() => expect(folder).toHaveProperty('value', 'my-orders'));
    expect(screen.queryByRole('radio')).toBeNull();
    fireEvent.change(folder, { target: { value: '  ' } });
    fireEvent.blur(folder);
    expect(folder).toHaveProperty('value', 'my-orders');
  });

  it('says that the answer was lost, and tries again with the same key', async () => {
    const { api } = await basket();
    await screen.findByText('It fits.');
    api.order.mockRejectedValueOnce(LOST);
    await userEvent.click(button('Order 2 files'));
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('Not ordered. Your server does not answer.');
    await userEvent.click(within(alert).getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(api.order).toHaveBeenCalledTimes(2));
    const [[, first], [, second]] = api.order.mock.calls;
    expect(second).toBe(first);
  });

  it('offers the sign-in to who is signed out', async () => {
    const api = fakeApi();
    api.basket.mockRejectedValue(SIGNED_OUT);
    await basket(api);
    await screen.findByRole('button', { name: 'Reload' });
    expect(screen.queryByRole('button', { name: 'Try again' })).toBeNull();
  });

  it('stays quick with 20,000 granules', async () => {
    const api = fakeApi();
    const items = Array.from({ length: 20_000 }, (_, index) => ({
      ...ITEM,
      id: `a${index}`
    }));
    api.basket.mockResolvedValue({ ...BASKET, items });
    await basket(api);
    await screen.findByText(/20,?000 granules/, { selector: 'h3' });
    expect(document.querySelectorAll('li').length).toBeLessThan(100);
  });
});

describe('granules', () => {
  it('are grouped by data set, and their different cuts are told', () => {
    const cut = { bbox: null, start: '2020-01-01', end: null };
    const items = [
      { ...ITEM, cut },
      { ...ITEM, id: 'b', cut: { ...cut } },
      { ...ITEM, collection: 'sst', collection_title: 'Sea surface', size: null }
    ];
    const told = groupsOf(items).map(one => [one.title, one.known, one.unknown]);
    expect(told).toEqual([
      ['argo', 2048, 0],
      ['Sea surface', 0, 1]
    ]);
    expect(cutsOf(items)).toEqual([cut]);
  });
});

async function orders(list: IOrder[], api = fakeApi()) {
  api.orders.mockResolvedValue(listed(...list));
  const fake = fakePelagos(api);
  const model = new OrdersModel(api as any, fake.changes);
  render(<OrdersSection pelagos={fake.pelagos} model={model} />);
  await act(() => model.load());
  return { ...fake, model };
}

describe('orders', () => {
  it('of which there are none lead to the basket', async () => {
    const { executed } = await orders([]);
    await screen.findByText('No orders yet.');
    await userEvent.click(button('Show the basket'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.open, { section: 'basket' });
  });

  it('show how far they are, and say when the state changes', async () => {
    const { api, model } = await orders([ORDER]);
    const bar = await screen.findByRole('progressbar', { name: 'Progress of Order 7' });
    expect(bar.getAttribute('aria-valuenow')).toBe('25');
    expect(screen.getByText('Fetching')).toBeTruthy();
    expect(screen.getByRole('status').textContent).toBe('');
    api.orders.mockResolvedValue(listed(order({ ...READY, sequence: 2 })));
    await act(() => model.load());
    await waitFor(() =>
      expect(screen.getByRole('status').textContent).toBe('Order 7: ready.')
    );
    expect(screen.queryByRole('progressbar')).toBeNull();
  });

  it('can be cancelled, tried again, and forgotten after a question', async () => {
    const { api } = await orders([ORDER]);
    await userEvent.click(await screen.findByRole('button', { name: 'Cancel: Order 7' }));
    await screen.findByText('Cancelled');
    await userEvent.click(button('Forget: Order 7'));
    await userEvent.click(button('Keep'));
    expect(api.deleteOrder).not.toHaveBeenCalled();
    await userEvent.click(button('Forget: Order 7'));
    await userEvent.click(button('Forget'));
    await screen.findByText('No orders yet.');
  });

  it('say what becomes of their files before they are forgotten', async () => {
    const folder = { ...READY, id: 'local-1', to: 'pelagos-orders', title: 'Bay' };
    await orders([order(READY), order(folder)]);
    await userEvent.click(await screen.findByRole('button', { name: 'Forget: Order 7' }));
    screen.getByText(
      'Take Order 7 off this list? Its files stay while the data pool has room.'
    );
    await userEvent.click(button('Forget: Bay'));
    screen.getByText('Take Bay off this list? Its files stay.');
  });

  it('say what went wrong and what to do', async () => {
    const { api } = await orders([
      order({
        state: 'failed',
        error: 'A source is away.',
        next_step: 'Try again later.',
        can_cancel: false,
        can_retry: true
      })
    ]);
    await screen.findByText(/A source is away. Try again later./);
    api.retryOrder.mockRejectedValueOnce(AWAY);
    await userEvent.click(button('Retry: Order 7'));
    expect((await screen.findByRole('alert')).textContent).toContain(AWAY.reason);
    await userEvent.click(button('Retry: Order 7'));
    await screen.findByText('Queued');
  });

  it('that are ready go into a notebook and into the file browser', async () => {
    const ready = order({ ...READY, title: 'Bay' });
    const { executed } = await orders([ready]);
    await userEvent.click(
      await screen.findByRole('button', { name: 'Add to notebook: Bay' })
    );
    expect(executed).toHaveBeenCalledWith(CommandIDs.insert, {
      what: { kind: 'order', order: ready }
    });
    await userEvent.click(button('Open folder: Bay'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.reveal, { path: ready.contents });
  });

  it('were not made in the future', async () => {
    await orders([order({ created: new Date(Date.now() + 6500).toISOString() })]);
    const card = await screen.findByRole('article', { name: 'Order 7' });
    expect(card.querySelector('time')?.textContent).toBe('now');
  });

  it('expire only in the dataspace, where the data pool keeps the files', async () => {
    const expires = new Date(Date.now() + 7.5 * 86_400_000).toISOString();
    await orders([
      order({ ...READY, expires }),
      order({ ...READY, expires, id: '8', number: 8, to: 'workspace' })
    ]);
    const card = await screen.findByRole('article', { name: 'Order 7' });
    expect(card.textContent).toContain('expires in 7 days');
    const other = screen.getByRole('article', { name: 'Order 8' });
    expect(other.textContent).not.toContain('expires');
  });

  it('show their files when they are unfolded', async () => {
    const { api, executed } = await orders([order(READY)]);
    const file = {
      size: 10,
      done: 10,
      type: 'application/x-netcdf',
      notes: [],
      error: ''
    };
    api.orderFiles.mockResolvedValue({
      files: [
        {
          ...file,
          path: 'a.nc',
          collection: 'c',
          item: 'i',
          state: 'ready',
          local: '/d/a.nc'
        },
        { ...file, path: 'b.nc', state: 'failed', error: 'Gone (404).', local: null }
      ],
      next: null
    });
    expect(api.orderFiles).not.toHaveBeenCalled();
    const details = (await screen.findByText('4 files', { selector: 'summary' }))
      .parentElement as HTMLDetailsElement;
    details.open = true;
    fireEvent(details, new Event('toggle'));
    await userEvent.click(
      await screen.findByRole('button', { name: 'Add a.nc to the notebook' })
    );
    expect(executed.mock.calls[0][1]?.what).toMatchObject({
      kind: 'file',
      path: '/d/a.nc',
      order: '7'
    });
    await userEvent.click(button('Copy the path of a.nc'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.copyPath, { path: '/d/a.nc' });
    const shown = screen.getByText('a.nc').closest('li');
    expect(shown?.querySelector('.jp-Pelagos-state')?.textContent).toBe('Ready');
    expect(screen.getByText('Gone (404).')).toBeTruthy();
    expect(screen.queryByRole('button', { name: /b.nc/ })).toBeNull();
  });

  it('are shown as they were last when the server is away', async () => {
    const { api, model } = await orders([ORDER]);
    api.orders.mockRejectedValueOnce(AWAY);
    await act(() => model.load());
    expect((await screen.findByRole('alert')).textContent).toContain(
      'This is how it was last:'
    );
    expect(screen.getByRole('article', { name: 'Order 7' })).toBeTruthy();
    await userEvent.click(button('Try again'));
    await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  });

  it('that were placed here take the focus', async () => {
    const { model } = await orders([order({ id: '6', number: 6 })]);
    act(() => model.put(ORDER));
    const shown = await screen.findByRole('article', { name: 'Order 7' });
    await waitFor(() => expect(document.activeElement).toBe(shown));
    expect(model.state.focus).toBeNull();
  });
});
