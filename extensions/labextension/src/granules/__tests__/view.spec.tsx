import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { ApiError } from '../../api';
import type { ISeaMapProps } from '../../map/seaMap';
import { BasketModel } from '../../model/basket';
import { CriteriaModel } from '../../model/search';
import { IPelagos } from '../../tokens';
import { IGranule, ISearchRequest } from '../../types';
import { copyText } from '../../use/clipboard';
import { AddModel } from '../addAll';
import { DetailsModel } from '../details';
import { outcomeText } from '../actions';
import { GranulesModel } from '../model';
import { argsOf } from '../opening';
import { GranulesView } from '../view';

// JupyterLab's own parts ask for more of a browser than jsdom has
jest.mock('../../use/clipboard', () => ({ copyText: jest.fn(async () => undefined) }));

const trans = nullTranslator.load('jupyterlab_pelagos');
const HTML = '<img src=x onerror="alert(1)">';

function granule(index: number): IGranule {
  return {
    collection: 'c',
    id: `g${index}`,
    title: index === 1 ? HTML : `Granule ${index}`,
    bbox: index === 2 ? null : [0, 0, 1, 1],
    shape: null,
    start: null,
    end: null,
    size: index === 2 ? null : 1024,
    files: 1,
    platform: '',
    formats: []
  };
}

/** jsdom lays nothing out: the list is given a height, so that it has rows. */
beforeAll(() => {
  for (const name of ['offsetHeight', 'clientHeight']) {
    Object.defineProperty(HTMLElement.prototype, name, {
      configurable: true,
      get: () => 280
    });
  }
  for (const name of ['offsetWidth', 'clientWidth']) {
    Object.defineProperty(HTMLElement.prototype, name, {
      configurable: true,
      get: () => 1000
    });
  }
  HTMLElement.prototype.scrollTo = function (this: HTMLElement) {} as any;
});

let shownMap: ISeaMapProps | null = null;

function FakeMap(props: ISeaMapProps): JSX.Element {
  shownMap = props;
  return <div role="application" aria-label={props.label} />;
}

async function open(count: number, fails: ApiError | null = null) {
  const all = Array.from({ length: count }, (_, index) => granule(index));
  const asked: ISearchRequest[] = [];
  const problem = { fails };
  const api = {
    granules: async (request: ISearchRequest) => {
      asked.push(request);
      if (problem.fails) {
        throw problem.fails;
      }
      const found = request.criteria.q ? [] : all;
      return {
        granules: found.slice(0, 200),
        matched: found.length,
        matched_text: String(found.length),
        next: null
      };
    },
    granule: async (_: string, collection: string, id: string) => ({
      ...all.find(one => one.id === id)!,
      description: HTML,
      properties: [
        { name: 'About', value: 'javascript:alert(1)' },
        { name: 'Updated', value: '2026-11-21T06:56:13Z' }
      ],
      assets: [],
      licence: { id: 'x', title: 'Terms', url: 'javascript:alert(1)' },
      citation: [
        {
          title: 'T',
          text: 'Cite me',
          doi: '10.1/a',
          licence: '',
          licence_text: '',
          url: ''
        }
      ],
      path: null,
      collection
    }),
    changeBasket: async (change: any) => ({
      revision: 1,
      items: change.items,
      to: '',
      title: '',
      cut: false,
      query: null
    })
  } as any;
  const basket = new BasketModel(api, { changed: { connect() {} } } as any);
  const pelagos = {
    api,
    basket,
    trans,
    commands: new CommandRegistry(),
    settings: { tileUrl: '', tileAttribution: '' },
    settingsChanged: new Signal<any, void>({})
  } as unknown as IPelagos;
  const criteria = new CriteriaModel();
  const model = new GranulesModel(api, ['c'], criteria);
  const startDrag = jest.fn();
  render(
    <GranulesView
      pelagos={pelagos}
      model={model}
      adding={new AddModel(model, basket)}
      vocabulary={{ parameter: [{ value: 'TEMP', title: 'Temperature', count: 0 }] }}
      details={new DetailsModel(api)}
      SeaMap={FakeMap}
      startDrag={startDrag}
    />
  );
  await act(() => model.reload());
  return { model, criteria, basket, asked, problem, startDrag, user: userEvent.setup() };
}

const row = (index: number) =>
  screen
    .getAllByRole('row')
    .find(one => one.getAttribute('aria-rowindex') === `${index}`)!;

describe('the list', () => {
  it('is a grid that is gone through by keys', async () => {
    const { user, model } = await open(100);
    expect(
      screen.getByRole('grid', { name: 'Granules' }).getAttribute('aria-rowcount')
    ).toBe('101');
    act(() => row(2).focus());
    await user.keyboard('{ArrowDown}');
    await waitFor(() => expect(document.activeElement).toBe(row(3)));
    await user.keyboard(' ');
    await user.keyboard('{Shift>}{ArrowDown}{/Shift}');
    expect(model.state.selected.size).toBe(2);
    expect(row(3).getAttribute('aria-selected')).toBe('true');
    expect(screen.getByRole('button', { name: 'Add 2 to basket' })).toBeTruthy();
    await user.keyboard('{Enter}');
    await waitFor(() =>
      expect(document.activeElement).toBe(screen.getByRole('region', { name: 'Details' }))
    );
  });

  it('shows HTML of a catalogue as text, and what is unknown as a dash', async () => {
    await open(5);
    expect(within(row(3)).getByText(HTML)).toBeTruthy();
    expect(document.querySelector('img')).toBeNull();
    expect(within(row(4)).getAllByText('–').length).toBeGreaterThan(1);
  });

  it('and the map show the same granule', async () => {
    const { model } = await open(5);
    expect(shownMap?.footprints).toHaveLength(5);
    act(() => shownMap!.onHover!('c\ng2'));
    await waitFor(() => expect(row(4).hasAttribute('data-hovered')).toBe(true));
    act(() => shownMap!.onPick!('c\ng3'));
    expect(model.state.focused).toBe('c\ng3');
    await waitFor(() => expect(row(5).getAttribute('aria-current')).toBe('true'));
    await waitFor(() => expect(shownMap?.highlighted).toBe('c\ng2'));
  });

  it('can be dragged from', async () => {
    const { user, startDrag } = await open(5);
    await user.pointer({ keys: '[MouseLeft>]', target: row(2) });
    expect(startDrag.mock.calls[0][1]).toMatchObject({ kind: 'granule', item: 'g0' });
  });
});

describe('the tab', () => {
  it('says what to loosen where nothing matches', async () => {
    const { user, criteria } = await open(5);
    await user.type(screen.getByRole('searchbox'), 'nothing{Enter}');
    await user.click(
      await screen.findByRole('button', { name: 'Search without the words' })
    );
    expect(criteria.state.q).toBe('');
    expect(await screen.findByRole('grid')).toBeTruthy();
  });

  it('says why there is nothing, and tries again', async () => {
    const { user, problem } = await open(5, new ApiError(502, 'It is away.', 'Wait.'));
    expect(screen.getByRole('alert').textContent).toContain('It is away. Wait.');
    problem.fails = null;
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('grid')).toBeTruthy();
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('leads to signing in again', async () => {
    await open(5, new ApiError(403, 'Your sign-in has ended.', ''));
    expect(screen.getByRole('button', { name: 'Reload' })).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Try again' })).toBeNull();
  });

  it('takes away what it is searched within', async () => {
    const { user, criteria, asked } = await open(5);
    act(() =>
      criteria.change({ bbox: [-10, 30, 5, 40], facets: { parameter: ['TEMP'] } })
    );
    await user.click(
      screen.getByRole('button', { name: 'Remove Parameter: Temperature' })
    );
    await user.click(
      screen.getByRole('button', { name: 'Remove Area: 30° N – 40° N, 10° W – 5° E' })
    );
    expect(asked.at(-1)?.criteria).toMatchObject({ bbox: null, facets: {} });
  });

  it('makes no link of what is no address', async () => {
    const { model, user } = await open(5);
    act(() => model.focus('c\ng1'));
    const details = screen.getByRole('region', { name: 'Details' });
    await within(details).findByRole('heading', { level: 2, name: HTML });
    const links = within(details).getAllByRole('link');
    expect(links.map(one => one.getAttribute('href'))).toEqual([
      'https://doi.org/10.1/a'
    ]);
    expect(links[0].getAttribute('rel')).toContain('noopener');
    await user.click(within(details).getByRole('button', { name: 'Copy citation' }));
    expect(copyText).toHaveBeenCalledWith('Cite me');
    expect(within(details).getByText('Copied.')).toBeTruthy();
  });

  it('puts a granule into the basket and takes it out again', async () => {
    const { user, model, basket } = await open(5);
    act(() => model.focus('c\ng3'));
    const details = screen.getByRole('region', { name: 'Details' });
    await user.click(
      await within(details).findByRole('button', { name: 'Add to basket' })
    );
    expect(basket.has('c', 'g3')).toBe(true);
    expect(
      within(details).getByRole('button', { name: 'Remove from basket' })
    ).toBeTruthy();
    expect(within(row(5)).getByRole('img', { name: 'In the basket' })).toBeTruthy();
  });
});

describe('words', () => {
  it('of the outcome say what was left out', () => {
    const outcome = {
      added: 19999,
      already: 1,
      empty: 2,
      beyond: true,
      cancelled: false,
      failed: false,
      changed: 0,
      overtaken: false
    };
    expect(outcomeText(outcome, trans)).toBe(
      '19,999 granules were added to the basket. 1 was there already. ' +
        '2 have no file to fetch and were left out. More match than the 20,000 that can be ' +
        'added at once: narrow the search by area or time for the others.'
    );
    const again = {
      ...outcome,
      added: 0,
      already: 0,
      changed: 1,
      empty: 0,
      beyond: false
    };
    expect(outcomeText(again, trans)).toBe(
      '1 was there for another area or time, and is now for this one.'
    );
    expect(outcomeText({ ...outcome, added: 0, failed: true }, trans)).toContain(
      'Nothing was added'
    );
  });

  it('of a command make sense or are left out', () => {
    const otherwise = new CriteriaModel().state;
    const vocabulary = argsOf({}, otherwise).vocabulary;
    expect(Object.values(vocabulary).flat()).toEqual([]);
    const nothing = { title: '', titles: {}, vocabulary, criteria: otherwise };
    expect(argsOf({ collections: ['b', 3 as any, 'a', 'b'] }, otherwise)).toEqual({
      ...nothing,
      collections: ['a', 'b']
    });
    const titles = { a: 'A', b: 7 };
    expect(argsOf({ collections: ['a'], titles }, otherwise)).toEqual({
      ...nothing,
      collections: ['a'],
      titles: { a: 'A' }
    });
  });
});
