import { Notification } from '@jupyterlab/apputils';
import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { StorageModel, lossOf } from '../../model/storage';
import {
  ABOUT,
  AWAY,
  SIGNED_OUT,
  STORAGE,
  fakeApi,
  fakePelagos,
  fakeStore,
  later
} from '../../orders/__tests__/fake';
import { CommandIDs } from '../../tokens';
import { IAreaStatus, IStorage, IWorkspaceStatus } from '../../types';
import { expiringSoon, glanceOf } from '../glance';
import { StorageSection } from '../section';
import { StorageTeller } from '../tell';

const NOW = Date.now();
const HOUR = 3600;
const UPLOAD = { name: 'run1/sst.nc', reason: 'no space', tries: 3, next_try: 40 };

const inSeconds = (seconds: number) => Math.round(NOW / 1000) + seconds;
const workspace = (part: Partial<IWorkspaceStatus>): IStorage => ({
  ...STORAGE,
  workspace: { ...STORAGE.workspace!, ...part }
});
const server = (part: Partial<IStorage['server']>): IStorage => ({
  ...STORAGE,
  server: { ...STORAGE.server, ...part }
});
const area = (part: Partial<IAreaStatus>): IStorage => ({
  ...STORAGE,
  dataspace: {
    areas: [
      {
        name: 'me',
        used: 1024,
        quota: 4096,
        enforced: true,
        state: 'ready',
        reason: '',
        expires_after: 7 * 24 * HOUR,
        next: [],
        pins: [],
        ...part
      }
    ]
  }
});
const killed = (count: number) =>
  server({ killed: count, killed_at: `2026-11-21T12:0${count}:00Z` });
const db = () => {
  const kept = new Map<string, unknown>();
  return {
    fetch: async (key: string) => kept.get(key),
    save: async (key: string, value: unknown) => void kept.set(key, value)
  } as any;
};

function made(storage = STORAGE, state: any = null) {
  const api = fakeApi();
  api.storage.mockResolvedValue(storage);
  const fake = fakePelagos(api);
  return { ...fake, model: new StorageModel(api as any, fake.changes, state) };
}

describe('storage', () => {
  it('is asked for at once when an event says so, once for a crowd of them', async () => {
    jest.useFakeTimers();
    const { api, model, tell } = made();
    await model.load();
    tell('storage');
    tell('memory');
    tell('order', '7');
    tell('storage');
    await jest.advanceTimersByTimeAsync(2000);
    expect(api.storage).toHaveBeenCalledTimes(2);
    model.dispose();
    jest.useRealTimers();
  });

  it('is asked for every minute, less often while the server is away', async () => {
    jest.useFakeTimers();
    const { api, model } = made();
    await model.start();
    await jest.advanceTimersByTimeAsync(125_000);
    expect(api.storage).toHaveBeenCalledTimes(3);
    api.storage.mockRejectedValue(AWAY);
    await jest.advanceTimersByTimeAsync(3600_000);
    expect(api.storage.mock.calls.length).toBeLessThan(40);
    expect(model.state.error).toBe(AWAY);
    expect(model.state.storage).toBe(STORAGE);
    model.dispose();
    jest.useRealTimers();
  });

  it('is not what it was before an action', async () => {
    const { api, model } = made();
    const slow = later<IStorage>();
    api.storage.mockReturnValueOnce(slow.promise);
    const loading = model.load();
    const after = workspace({ pending: 1 });
    api.retryStorage.mockResolvedValue(after);
    await model.retry();
    slow.resolve(workspace({ failed: [UPLOAD] }));
    await loading;
    expect(model.state.storage).toBe(after);
    model.dispose();
  });

  it('says what was not done', async () => {
    const { api, model } = made();
    await model.load();
    api.keep.mockRejectedValueOnce(AWAY);
    await model.keep('me', 'run1');
    expect(model.state.failure).toEqual({ what: 'keep me run1', error: AWAY });
    expect(model.state.busy).toBe('');
    model.dispose();
  });

  it('forgets a loss of kernels that was read until there is another', async () => {
    const kept = db();
    const first = made(killed(1), kept);
    await first.model.start();
    expect(first.model.isLossUnread).toBe(true);
    first.model.dismiss();
    expect(first.model.isLossUnread).toBe(false);
    first.model.dispose();
    const { api, model } = made(killed(1), kept);
    await model.start();
    expect(model.isLossUnread).toBe(false);
    api.storage.mockResolvedValue(killed(2));
    await model.load();
    expect(model.isLossUnread).toBe(true);
    expect(lossOf(STORAGE)).toBe('');
    model.dispose();
  });
});

describe('the status bar', () => {
  const text = async (storage: IStorage) => {
    const { model, pelagos } = made(storage);
    await model.load();
    const found = glanceOf(pelagos.trans, model, NOW);
    model.dispose();
    return found && [found.level, found.text];
  };
  const soon = { path: 'a', expires: inSeconds(2 * HOUR + 60) };

  it.each([
    [STORAGE, 'ok', 'Workspace ✓'],
    [workspace({ pending: 2 }), 'busy', '2 uploads pending'],
    [workspace({ pending: 2, failed: [UPLOAD] }), 'bad', '1 upload failed'],
    [workspace({ state: 'unavailable' }), 'bad', 'Workspace not connected'],
    [workspace({ state: 'mounting' }), 'busy', 'Workspace connecting …'],
    [area({ next: [soon] }), 'warn', 'Dataspace: 1 file expires in 2 hours'],
    [
      area({ next: [soon, { ...soon, path: 'b' }] }),
      'warn',
      'Dataspace: 2 files expire, the first in 2 hours'
    ],
    [area({ name: 'pool', next: [soon] }), 'ok', 'Workspace ✓'],
    [killed(1), 'bad', 'Out of memory'],
    [server({ home_free: 1 }), 'warn', 'Home almost full'],
    [
      { ...STORAGE, workspace: null, dataspace: null, reason: 'No answer.' },
      'warn',
      'Storage unknown'
    ],
    [{ ...STORAGE, workspace: null, dataspace: null }, 'ok', 'Memory 25%']
  ])('says what matters most (%#)', async (storage, level, said) => {
    expect(await text(storage as IStorage)).toEqual([level, said]);
  });

  it('says nothing where there is nothing to say', async () => {
    const storage = { ...server({ memory_limit: null }), workspace: null };
    expect(await text(storage)).toBeNull();
    expect(expiringSoon([], NOW)).toBeNull();
  });

  it('says that nothing is known', async () => {
    const { api, model, pelagos } = made();
    expect(glanceOf(pelagos.trans, model, NOW)).toBeNull();
    api.storage.mockRejectedValue(AWAY);
    await model.load();
    expect(glanceOf(pelagos.trans, model, NOW)?.text).toBe('Storage unknown');
    model.dispose();
  });
});

describe('notifications of storage', () => {
  const notes = () => Notification.manager.notifications.map(one => one.message);
  const told = async (store: Storage, ...answers: IStorage[]) => {
    const { api, model, pelagos } = made();
    new StorageTeller(pelagos, model, store);
    for (const answer of answers) {
      api.storage.mockResolvedValueOnce(answer);
      await model.load();
    }
    model.dispose();
  };
  const failed = workspace({ failed: [UPLOAD] });

  beforeEach(() => Notification.dismiss());

  it('tell of an upload that failed newly, once', async () => {
    const store = fakeStore();
    await told(store, STORAGE, failed, workspace({ pending: 1 }), failed);
    expect(notes()).toEqual([
      'The upload of run1/sst.nc to your workspace failed: no space'
    ]);
    Notification.dismiss();
    await told(store, failed);
    expect(notes()).toEqual([]);
    await told(store, STORAGE, failed);
    expect(notes().length).toBe(1);
  });

  it('tell of several at once in one', async () => {
    const other = { ...UPLOAD, name: 'b' };
    await told(fakeStore(), STORAGE, workspace({ failed: [UPLOAD, other] }));
    expect(notes()).toEqual(['2 uploads to your workspace failed.']);
  });

  it('do not tell of what was so before', async () => {
    await told(fakeStore(), workspace({ failed: [UPLOAD] }));
    await told(fakeStore(), killed(1));
    expect(notes()).toEqual([]);
  });

  it('tell of kernels that were lost for memory, each time once', async () => {
    const store = fakeStore();
    await told(store, STORAGE, killed(1), killed(1), killed(2));
    expect(notes().sort()).toEqual([
      '2 kernels were stopped because this server ran out of memory. It has 4\u00a0KiB.',
      'A kernel was stopped because this server ran out of memory. It has 4\u00a0KiB.'
    ]);
  });

  it('are not sent again because the service was away', async () => {
    const away = { ...STORAGE, workspace: null, dataspace: null, reason: 'No answer.' };
    await told(fakeStore(), failed, away, failed);
    expect(notes()).toEqual([]);
  });
});

async function section(storage: IStorage, about = ABOUT) {
  const fake = made(storage);
  fake.api.about.mockResolvedValue(about);
  render(<StorageSection pelagos={fake.pelagos} model={fake.model} />);
  await act(() => fake.model.load());
  return fake;
}

describe('the section of storage', () => {
  it('shows failed uploads, and tries again', async () => {
    const { api } = await section(workspace({ failed: [UPLOAD], pending: 1 }));
    const part = await screen.findByRole('region', { name: 'Workspace' });
    expect(part.textContent).toContain('run1/sst.nc: no space Tried 3 times.');
    api.retryStorage.mockResolvedValue(STORAGE);
    await userEvent.click(within(part).getByRole('button', { name: 'Try again' }));
    await screen.findByText('Everything is uploaded.');
  });

  it('says why the workspace is not connected', async () => {
    await section(workspace({ state: 'unavailable', reason: 'The password is wrong.' }));
    const part = await screen.findByRole('region', { name: 'Workspace' });
    expect(part.textContent).toContain('Not connected');
    expect(part.textContent).toContain('The password is wrong.');
    expect(within(part).getByRole('button', { name: 'Try again' })).toBeTruthy();
  });

  it('keeps, extends and lets expire', async () => {
    const { api } = await section(
      area({
        next: [{ path: 'run1/a.nc', expires: inSeconds(5 * HOUR + 60) }],
        pins: [{ path: 'run7', until: inSeconds(20 * 24 * HOUR) }]
      })
    );
    const yours = await screen.findByRole('group', { name: 'Yours' });
    expect(yours.textContent).toContain('in 5 hours');
    expect(yours.textContent).toContain('Files expire 7 days after their last change.');
    const whole = await api.storage();
    api.pin.mockResolvedValue(whole);
    api.keep.mockResolvedValue(whole);
    const press = (name: string) =>
      userEvent.click(within(yours).getByRole('button', { name }));
    await press('Extend run1/a.nc by 30 days');
    expect(api.pin).toHaveBeenCalledWith('me', 'run1/a.nc', 30);
    await press('Keep run1/a.nc in the workspace');
    expect(api.keep).toHaveBeenCalledWith('me', 'run1/a.nc');
    await press('Let run7 expire');
    expect(api.unpin).toHaveBeenCalledWith('me', 'run7');
  });

  it('shows copies to the workspace until they are there', async () => {
    const keeping = {
      id: '1',
      area: 'me',
      path: 'run1',
      state: 'running' as const,
      message: '2 of 10 MiB',
      started: '2026-11-21T12:00:00Z'
    };
    const next = [{ path: 'run1', expires: inSeconds(HOUR) }];
    const { api } = await section({ ...area({ next }), keeping: [keeping] });
    const keep = await screen.findByRole('button', {
      name: 'Keep run1 in the workspace'
    });
    expect(keep.getAttribute('aria-disabled')).toBe('true');
    await userEvent.click(keep);
    expect(api.keep).not.toHaveBeenCalled();
    expect(screen.getByText(/2 of 10 MiB/)).toBeTruthy();
  });

  it('says what to do when kernels were killed, until that was read', async () => {
    await section(killed(1));
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('ran out of memory');
    await waitFor(() =>
      expect(within(alert).getByRole('link').getAttribute('href')).toBe('/hub/home')
    );
    await userEvent.click(within(alert).getByRole('button', { name: 'Understood' }));
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('calls areas by the names that people know', async () => {
    const { areas } = area({}).dataspace!;
    await section({
      ...STORAGE,
      dataspace: { areas: ['me', 'ocean', 'pool'].map(name => ({ ...areas[0], name })) }
    });
    await screen.findByRole('group', { name: 'Ocean and climate' });
    const groups = screen
      .getAllByRole('group')
      .map(one => one.getAttribute('aria-label'));
    expect(groups).toEqual(['Yours', 'Ocean and climate', 'Data pool']);
  });

  it('is about the server alone without a hub', async () => {
    const alone = { ...STORAGE, workspace: null, dataspace: null };
    await section(alone, { ...ABOUT, hub: false, links: {} });
    await screen.findByText(/not part of a virtual research environment/);
    expect(screen.getByRole('region', { name: 'This server' })).toBeTruthy();
    expect(screen.queryByRole('region', { name: 'Workspace' })).toBeNull();
    expect(screen.queryByRole('link')).toBeNull();
  });

  it('says why nothing is known, and leads to the sign-in', async () => {
    const { api, model } = await section(STORAGE);
    api.storage.mockRejectedValue(SIGNED_OUT);
    await act(() => model.load());
    await screen.findByRole('button', { name: 'Reload' });
    expect(screen.getByRole('region', { name: 'Workspace' })).toBeTruthy();
  });

  it('has the service’s reason and its mend', async () => {
    const reason = 'The workspace service does not answer.';
    await section({
      ...STORAGE,
      workspace: null,
      dataspace: null,
      reason,
      mend: 'Wait a minute.'
    });
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain(`${reason} Wait a minute.`);
  });
});

describe('the item in the status bar', () => {
  it('opens the section', async () => {
    const { StorageStatus } = await import('../status');
    const { executed, model, pelagos } = made(workspace({ failed: [UPLOAD] }));
    const item = new StorageStatus(
      pelagos,
      model,
      () => void pelagos.commands.execute(CommandIDs.open, { section: 'storage' })
    );
    render((item as any).render());
    await act(() => model.load());
    const button = await screen.findByRole('button', { name: /1 upload failed/ });
    expect(button.getAttribute('title')).toBe('run1/sst.nc: no space');
    await userEvent.click(button);
    expect(executed).toHaveBeenCalledWith(CommandIDs.open, { section: 'storage' });
    model.dispose();
  });
});
