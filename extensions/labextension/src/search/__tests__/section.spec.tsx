import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { ApiError, IApi } from '../../api';
import { CriteriaModel } from '../../model/search';
import { CommandIDs, IPelagos } from '../../tokens';
import { ICollection, ICriteria, ISearchRequest, NO_CRITERIA } from '../../types';
import { Groups } from '../groups';
import { SearchModel } from '../model';
import { SearchSection } from '../section';

// jsdom has no canvas: the map is tried in a browser
const shown = jest.fn();
jest.mock('../../map/seaMap', () => ({
  SeaMap: (props: object) => {
    shown(props);
    return null;
  }
}));

const user = userEvent.setup();
const HTML = 'Ice <img src=x onerror="alert(1)"> & <b>snow</b>';

const collection = (part: Partial<ICollection>): ICollection => ({
  id: 'a',
  title: 'A',
  description: '',
  infrastructure: 'SeaDataNet',
  parameters: [],
  keywords: [],
  boxes: [[0, 1, 2, 3]],
  start: null,
  end: null,
  licence: { id: 'CC-BY-4.0', title: '', url: 'https://licence.test/by' },
  doi: '',
  url: '',
  ...part
});

const FOUND = [
  collection({ title: HTML, parameters: ['t', 's', 'o', 'n', 'p', 'q'] }),
  collection({
    id: 'b',
    title: '',
    boxes: [],
    start: '1990-01-01T00:00:00Z',
    url: 'javascript:alert(1)',
    licence: { id: '', title: '', url: '' }
  }),
  collection({ id: 'c', title: 'C', doi: '10.1/x y' })
];

interface ISetUp {
  criteria?: Partial<ICriteria>;
  collections?: (request: ISearchRequest) => Promise<unknown>;
  catalogue?: string;
  catalogueUrl?: string;
  commands?: string[];
}

const page = (collections: ICollection[], next: string | null = null) => ({
  collections,
  matched: collections.length,
  matched_text: String(collections.length),
  next
});

function show({
  criteria: initial = {},
  collections = async () => page(FOUND),
  catalogue = 'vre',
  catalogueUrl = '',
  commands: ids = [CommandIDs.granules, CommandIDs.queryAsCode]
}: ISetUp = {}) {
  const run = jest.fn();
  const commands = new CommandRegistry();
  ids.forEach(id => commands.addCommand(id, { execute: args => run(id, args) }));
  const api = {
    collections: jest.fn(collections),
    facets: jest.fn(async () => ({ counted: 0, partial: false, facets: {} })),
    matches: jest.fn(async () => ({
      a: { count: 1234, text: '1,234' },
      b: { count: 0, text: '0' },
      c: { count: null, text: '' }
    }))
  };
  const criteria = new CriteriaModel({ ...NO_CRITERIA, ...initial });
  const pelagos = {
    api,
    criteria,
    commands,
    trans: nullTranslator.load('x'),
    state: null,
    about: async () => ({ catalogue }),
    settings: { catalogueUrl, tileUrl: '', tileAttribution: '' }
  };
  Object.assign(pelagos, { settingsChanged: new Signal(pelagos) });
  const model = new SearchModel(
    api as unknown as IApi,
    criteria,
    () => pelagos.settings.catalogueUrl
  );
  render(
    <SearchSection
      pelagos={pelagos as unknown as IPelagos}
      model={model}
      groups={new Groups(null)}
    />
  );
  return { api, criteria, run, pelagos, model, commands };
}

const entries = async () =>
  within(await screen.findByRole('list', { name: 'Data sets' })).getAllByRole('listitem');

describe('data sets', () => {
  it('are shown as text, whatever a catalogue says', async () => {
    show();
    const [first, second, third] = await entries();
    expect(within(first).getByRole('button', { name: HTML })).toBeTruthy();
    expect(first.querySelector('img')).toBeNull();
    expect(first.textContent).toContain('t, s, o, n and 2 more');
    const licence = within(first).getByRole('link', { name: 'CC-BY-4.0' });
    expect(licence.getAttribute('href')).toBe('https://licence.test/by');
    expect(licence.getAttribute('rel')).toContain('noopener');
    expect(second.textContent).toContain('from 1990-01-01');
    expect(second.textContent).toContain('licence not given');
    expect(second.textContent).toContain('place not given');
    expect(within(second).queryByRole('link')).toBeNull();
    expect(
      within(third).getByRole('link', { name: 'About C' }).getAttribute('href')
    ).toBe('https://doi.org/10.1/x%20y');
  });

  it('say how many granules match, after they are shown', async () => {
    show();
    await waitFor(async () =>
      expect(
        (await entries()).map(one => one.querySelector('.jp-Pelagos-match')!.textContent)
      ).toEqual([
        '1,234 granules match',
        'No granule matches',
        'Nobody counted its granules'
      ])
    );
  });

  it('show where they are while somebody looks at them', async () => {
    show();
    const [first, second] = await entries();
    await user.hover(first);
    expect(shown.mock.lastCall[0].extents).toEqual([[0, 1, 2, 3]]);
    await user.hover(second);
    expect(shown.mock.lastCall[0].extents).toEqual([]);
    act(() => within(first).getByRole('button').focus());
    expect(shown.mock.lastCall[0].extents).toEqual([[0, 1, 2, 3]]);
  });

  it('open their granules with what is asked for', async () => {
    const { run } = show({ criteria: { q: 'ice' } });
    const [first, second] = await entries();
    act(() => within(first).getByRole('button').focus());
    await user.keyboard('{Enter}');
    expect(run).toHaveBeenLastCalledWith(CommandIDs.granules, {
      collections: ['a'],
      title: HTML,
      titles: { a: HTML },
      vocabulary: expect.anything(),
      criteria: { ...NO_CRITERIA, q: 'ice' }
    });
    await user.click(within(second).getByRole('button', { name: 'b' }));
    expect(run.mock.lastCall[1].title).toBe('b');
  });

  it('open together, without those in which nothing matches', async () => {
    const { run } = show();
    await screen.findByText('No granule matches');
    await user.click(screen.getByRole('button', { name: 'All granules of these' }));
    expect(run).toHaveBeenLastCalledWith(CommandIDs.granules, {
      collections: ['a', 'c'],
      title: '2 data sets',
      titles: { a: HTML, c: 'C' },
      vocabulary: expect.anything(),
      criteria: NO_CRITERIA
    });
    await user.click(screen.getByRole('button', { name: 'Open query as code' }));
    expect(run).toHaveBeenLastCalledWith(CommandIDs.queryAsCode, {
      criteria: NO_CRITERIA,
      collections: []
    });
  });

  it('can be opened once there is something to open them', async () => {
    const { commands } = show({ commands: [] });
    const [first] = await entries();
    const all = screen.getByRole<HTMLButtonElement>('button', {
      name: 'All granules of these'
    });
    expect(all.disabled).toBe(true);
    expect(all.title).toContain('switched off');
    act(() => {
      commands.addCommand(CommandIDs.granules, { execute: () => undefined });
    });
    expect(all.disabled).toBe(false);
    expect(within(first).getByRole<HTMLButtonElement>('button').disabled).toBe(false);
  });

  it('come page by page', async () => {
    const { api } = show({
      collections: async ({ next }) =>
        next ? page([collection({ id: 'z', title: 'Z' })]) : page(FOUND, 'n')
    });
    await user.click(await screen.findByRole('button', { name: 'More data sets' }));
    expect(await screen.findByRole('button', { name: 'Z' })).toBeTruthy();
    expect(await entries()).toHaveLength(4);
    expect(screen.queryByRole('button', { name: 'More data sets' })).toBeNull();
    expect(api.collections).toHaveBeenCalledTimes(2);
  });
});

describe('the search', () => {
  it('without an answer lets one thing go', async () => {
    const { criteria } = show({
      criteria: { q: 'nothing', start: '2020-01-01' },
      collections: async ({ criteria: { q } }) => page(q ? [] : FOUND)
    });
    await user.click(await screen.findByRole('button', { name: 'Text: “nothing”' }));
    expect(criteria.state).toMatchObject({ q: '', start: '2020-01-01' });
    expect(await entries()).toHaveLength(3);
  });

  it('of an empty catalogue says so', async () => {
    show({ collections: async () => page([]) });
    expect(await screen.findByText(/no data sets yet/)).toBeTruthy();
  });

  it('that fails can be tried again', async () => {
    const down = new ApiError(503, 'The catalogue does not answer.', 'Wait a minute.');
    let works = false;
    show({ collections: async () => (works ? page(FOUND) : Promise.reject(down)) });
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('The catalogue does not answer. Wait a minute.');
    works = true;
    await user.click(within(alert).getByRole('button', { name: 'Try again' }));
    expect(await entries()).toHaveLength(3);
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('whose sign-in has ended asks for a reload', async () => {
    const out = new ApiError(401, 'Your sign-in has ended.', 'Reload the page.');
    show({ collections: () => Promise.reject(out) });
    const alert = await screen.findByRole('alert');
    expect(within(alert).getByRole('button', { name: 'Reload' })).toBeTruthy();
    expect(within(alert).queryByRole('button', { name: 'Try again' })).toBeNull();
  });

  it('without a catalogue leads to the settings', async () => {
    const { run, api, pelagos } = show({
      catalogue: 'none',
      commands: ['settingeditor:open']
    });
    await user.click(await screen.findByRole('button', { name: 'Open the settings' }));
    expect(run).toHaveBeenCalledWith('settingeditor:open', { query: 'Marine data' });
    expect(api.collections).not.toHaveBeenCalled();
    act(() => {
      pelagos.settings = { ...pelagos.settings, catalogueUrl: 'https://stac.test' };
      (pelagos as any).settingsChanged.emit();
    });
    expect(await entries()).toHaveLength(3);
    expect(api.collections.mock.lastCall![0].catalogue).toBe('https://stac.test');
  });

  it('says to everybody what was found and that it goes on', async () => {
    show();
    await entries();
    expect(screen.getByRole('status').textContent).toBe('3 data sets found');
    expect(
      screen.getByRole('region', { name: 'Results' }).getAttribute('aria-busy')
    ).toBe('false');
    expect(screen.getByRole('search')).toBeTruthy();
  });

  it('keeps which of its parts are open', async () => {
    const kept: Record<string, any> = {};
    const db = {
      save: async (key: string, value: any) => void (kept[key] = value),
      fetch: async (key: string) => kept[key]
    };
    const groups = new Groups(db as any);
    groups.toggle('facets');
    const later = new Groups(db as any);
    await later.restore();
    expect(later.state).toEqual({ area: true, time: false, facets: true });
  });
});

describe('a slow catalogue', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());
  const wait = (milliseconds: number) =>
    act(() => jest.advanceTimersByTimeAsync(milliseconds));
  const SLOW = 'The catalogue is slow to answer.';

  it('is told of, with what was found before', async () => {
    let answer: (found: unknown) => void = () => undefined;
    const { model } = show({
      collections: () => new Promise(resolve => (answer = resolve))
    });
    await wait(0);
    await wait(1500);
    expect(screen.queryByText(SLOW, { selector: 'p' })).toBeNull();
    await wait(1000);
    expect(screen.getByText(SLOW, { selector: 'p' })).toBeTruthy();
    expect(screen.getByText(SLOW, { selector: '[role=status]' })).toBeTruthy();
    answer(page(FOUND));
    await wait(0);
    expect(screen.queryByText(SLOW, { selector: 'p' })).toBeNull();
    act(() => void model.search());
    await wait(2500);
    const both = `${SLOW} This is what was found before:`;
    expect(screen.getByText(both, { selector: 'p' })).toBeTruthy();
    expect(screen.getByRole('list', { name: 'Data sets' })).toBeTruthy();
  });
});
