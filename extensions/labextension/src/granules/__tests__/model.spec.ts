import { ApiError, IApi } from '../../api';
import { BasketModel } from '../../model/basket';
import { CriteriaModel } from '../../model/search';
import {
  IBasket,
  IBasketChange,
  IGranule,
  IGranulesPage,
  ISearchRequest
} from '../../types';
import { AddModel } from '../addAll';
import { GranulesModel, keyOf, MOST } from '../model';

function granule(index: number, part: Partial<IGranule> = {}): IGranule {
  return {
    collection: 'c',
    id: `g${String(index).padStart(5, '0')}`,
    title: `Granule ${index}`,
    bbox: [0, index % 80, 1, (index % 80) + 1],
    shape: null,
    start: new Date(Date.UTC(2020, 0, 1) + index * 3600e3).toISOString(),
    end: null,
    size: (index * 7919) % 1000,
    files: 1,
    platform: '',
    formats: ['NetCDF'],
    ...part
  };
}

/** A catalogue of so many granules whose answers a test gives when it likes. */
class Catalogue {
  constructor(readonly all: IGranule[]) {}

  granules = (request: ISearchRequest, signal?: AbortSignal): Promise<IGranulesPage> => {
    this.asked.push(request);
    const at = Number(request.next ?? 0);
    const end = at + request.limit!;
    const page = {
      granules: this.all.slice(at, end),
      matched: this.all.length,
      matched_text: String(this.all.length),
      next: end < this.all.length ? String(end) : null
    };
    if (this.fails) {
      const error = this.fails;
      this.fails = null;
      return Promise.reject(error);
    }
    if (!this.waits) {
      return Promise.resolve(page);
    }
    return new Promise((resolve, reject) => {
      this.answers.push(() => resolve(page));
      signal?.addEventListener('abort', () =>
        reject(new DOMException('given up', 'AbortError'))
      );
    });
  };

  changeBasket = (change: IBasketChange): Promise<IBasket> => {
    this.changes.push(change);
    if (this.full) {
      return Promise.reject(new ApiError(413, 'The basket is full.', 'Order it first.'));
    }
    const items = change.kind === 'add' ? change.items : [];
    const kept = change.kind === 'clear' ? [] : this.basket.items;
    this.basket = {
      ...this.basket,
      revision: this.basket.revision + 1,
      items: [...new Map([...kept, ...items].map(one => [one.id, one])).values()]
    };
    return Promise.resolve(this.basket);
  };

  get api(): IApi {
    return this as unknown as IApi;
  }

  waits = false;
  full = false;
  fails: ApiError | null = null;
  readonly asked: ISearchRequest[] = [];
  readonly answers: (() => void)[] = [];
  readonly changes: IBasketChange[] = [];
  basket: IBasket = {
    revision: 0,
    items: [],
    to: '',
    title: '',
    cut: false,
    query: null
  };
}

function make(count: number, part?: (index: number) => Partial<IGranule>) {
  const catalogue = new Catalogue(
    Array.from({ length: count }, (_, index) => granule(index, part?.(index)))
  );
  const criteria = new CriteriaModel();
  const model = new GranulesModel(catalogue.api, ['c'], criteria, () => 'cat');
  const basket = new BasketModel(catalogue.api, { changed: { connect() {} } } as any);
  return { catalogue, criteria, model, basket, adding: new AddModel(model, basket) };
}

const settled = () => new Promise(resolve => setTimeout(resolve, 0));

describe('pages', () => {
  it('come one after another until there are no more', async () => {
    const { model, catalogue } = make(2500);
    await model.reload();
    expect([model.state.rows.length, model.state.matched, model.isComplete]).toEqual([
      200,
      2500,
      false
    ]);
    while (await model.more()) {
      // the next one
    }
    expect(model.state.rows.map(one => one.id)).toEqual(catalogue.all.map(one => one.id));
    expect(model.isComplete).toBe(true);
    expect(catalogue.asked.map(one => one.next)).toEqual([null, '200', '1200', '2200']);
    expect(catalogue.asked[0]).toMatchObject({ catalogue: 'cat', collections: ['c'] });
  });

  it('are asked for once, however often one scrolls', async () => {
    const { model, catalogue } = make(5000);
    await model.reload();
    await Promise.all([model.more(), model.more(), model.more()]);
    expect(catalogue.asked).toHaveLength(2);
    expect(model.state.rows).toHaveLength(1200);
  });

  it('hold a granule once, though the catalogue changed between two of them', async () => {
    const { model, catalogue } = make(300);
    await model.reload();
    catalogue.all.unshift(granule(99999));
    await model.more();
    const keys = model.state.rows.map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('end at the most that a list takes', async () => {
    const { model } = make(MOST + 5000);
    await model.reload();
    while (await model.more()) {
      // the next one
    }
    expect(model.isCut).toBe(true);
    expect(model.isComplete).toBe(false);
    expect(model.state.rows.length).toBeGreaterThanOrEqual(MOST);
    expect(await model.more()).toBe(false);
  });

  it('that fail leave what is there, and can be asked for again', async () => {
    const { model, catalogue } = make(900);
    await model.reload();
    catalogue.fails = new ApiError(502, 'The catalogue does not answer.', 'Wait.');
    await model.more();
    expect(model.state.error?.reason).toBe('The catalogue does not answer.');
    expect(model.state.rows).toHaveLength(200);
    await model.retry();
    expect(model.state.error).toBeNull();
    expect(model.state.rows).toHaveLength(900);
  });

  it('of an older search change nothing', async () => {
    const { model, criteria, catalogue } = make(50);
    catalogue.waits = true;
    const first = model.reload();
    criteria.change({ q: 'later' });
    catalogue.answers[0]();
    await first;
    expect(model.state.rows).toHaveLength(0);
    expect(model.state.loading).toBe('first');
    catalogue.answers[1]();
    await settled();
    expect(model.state.rows).toHaveLength(50);
    expect(catalogue.asked[1].criteria.q).toBe('later');
  });
});

describe('order', () => {
  it('is the catalogue’s while not all is there', async () => {
    const { model, catalogue } = make(500);
    await model.reload();
    model.sortBy('size');
    expect(model.state.sort).toBeNull();
    model.sortBy('time');
    model.sortBy('time');
    await settled();
    expect(catalogue.asked.map(one => one.sortby)).toEqual([
      undefined,
      'datetime',
      '-datetime'
    ]);
  });

  it('is made here once all is there, with what is unknown last', async () => {
    const { model, catalogue } = make(50, index => (index === 3 ? { size: null } : {}));
    await model.reload();
    const before = catalogue.asked.length;
    for (const descending of [false, true]) {
      model.sortBy('size');
      const sizes = model.state.rows.map(one => one.size);
      expect(sizes[49]).toBeNull();
      const known = sizes.slice(0, 49) as number[];
      expect(known).toEqual([...known].sort((a, b) => (descending ? b - a : a - b)));
    }
    expect(catalogue.asked).toHaveLength(before);
    expect(model.indexOf(keyOf(catalogue.all[3]))).toBe(49);
  });
});

describe('selection', () => {
  it('is a range from where it began, in the order that is shown', async () => {
    const { model } = make(20);
    await model.reload();
    const key = (index: number) => keyOf(model.state.rows[index]);
    model.toggle(key(5));
    model.extend(key(8));
    expect(model.selection.map(one => one.title)).toEqual(
      [5, 6, 7, 8].map(index => `Granule ${index}`)
    );
    model.focus(key(2));
    model.extend(key(1));
    expect(model.state.selected.size).toBe(6);
  });

  it('stays over a sort, and loses what a new search does not find', async () => {
    const { model, criteria, catalogue } = make(20);
    await model.reload();
    model.toggle(keyOf(catalogue.all[4]));
    model.toggle(keyOf(catalogue.all[19]));
    model.sortBy('size');
    expect(model.state.selected.size).toBe(2);
    catalogue.all.length = 10;
    criteria.change({ q: 'x' });
    await settled();
    expect([...model.state.selected]).toEqual([keyOf(catalogue.all[4])]);
    expect(model.state.focused).toBeNull();
  });

  it('goes by keys', async () => {
    const { model } = make(100);
    await model.reload();
    const press = (key: string, part = {}) =>
      model.press(
        { key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...part },
        10
      );
    const at = () => model.indexOf(model.state.focused);
    press('ArrowDown');
    expect(at()).toBe(1);
    press('PageDown');
    expect(at()).toBe(10);
    press('End');
    expect(at()).toBe(99);
    press('ArrowDown');
    expect(at()).toBe(99);
    press('Home');
    press(' ');
    press('ArrowDown', { shiftKey: true });
    press('ArrowDown', { shiftKey: true });
    expect(model.state.selected.size).toBe(3);
    press('a', { ctrlKey: true });
    expect(model.state.selected.size).toBe(100);
    expect(press('Enter')).toEqual({ kind: 'open' });
    expect(press('x')).toBeNull();
    expect(press('ArrowDown', { altKey: true })).toBeNull();
  });
});

describe('the basket gets', () => {
  it('all that match, and is told what was left out', async () => {
    const { model, adding, catalogue, basket } = make(2300, index => ({
      files: index < 10 ? 0 : 1
    }));
    await model.reload();
    await basket.add([{ ...catalogue.all[20], catalogue: 'cat' } as any], null);
    await adding.addAll();
    expect(adding.state.outcome).toMatchObject({
      added: 2289,
      already: 1,
      empty: 10,
      beyond: false,
      failed: false
    });
    expect(basket.count).toBe(2290);
    expect(basket.state.basket?.items[1]).toMatchObject({
      catalogue: 'cat',
      collection: 'c',
      assets: null
    });
  });

  it('what is there for another area once more', async () => {
    const { model, criteria, adding, basket } = make(3);
    criteria.change({ bbox: [170, -10, -160, 10] });
    await model.reload();
    await adding.add(model.state.rows.slice(0, 2));
    expect(adding.state.outcome).toMatchObject({ added: 2, changed: 0, already: 0 });
    criteria.change({ bbox: [-30, -10, 0, 10] });
    await model.reload();
    await adding.add(model.state.rows);
    expect(adding.state.outcome).toMatchObject({ added: 1, changed: 2, already: 0 });
    const cuts = basket.state.basket?.items.map(one => one.cut?.bbox);
    expect(cuts).toEqual([1, 2, 3].map(() => [-30, -10, 0, 10]));
    await basket.clear();
    expect(adding.state.outcome).toBeNull();
  });

  it('also a page that was on its way', async () => {
    const { model, adding, basket } = make(900);
    await model.reload();
    void model.more();
    await adding.addAll();
    expect(basket.count).toBe(900);
  });

  it('the first of more than can be listed', async () => {
    const { model, adding } = make(MOST + 3000);
    await model.reload();
    await adding.addAll();
    expect(adding.state.outcome).toMatchObject({
      added: model.state.rows.length,
      beyond: true
    });
  });

  it('nothing when it is cancelled while pages are loaded', async () => {
    const { model, adding, catalogue } = make(5000);
    await model.reload();
    adding.changed.connect(() => {
      if (adding.state.done > 1000) {
        adding.cancel();
      }
    });
    await adding.addAll();
    expect(adding.state.outcome).toMatchObject({ added: 0, cancelled: true });
    expect(catalogue.changes).toHaveLength(0);
    expect(catalogue.asked.length).toBeLessThan(4);
  });

  it('what went in before it was cancelled', async () => {
    const { model, adding, basket } = make(12000);
    await model.reload();
    adding.changed.connect(() => {
      if (adding.state.phase === 'adding' && adding.state.done) {
        adding.cancel();
      }
    });
    await adding.addAll();
    expect(adding.state.outcome).toMatchObject({ added: 5000, cancelled: true });
    expect(basket.count).toBe(5000);
  });

  it('what is searched for now, not what was found before', async () => {
    const { model, criteria, adding, catalogue, basket } = make(300);
    await model.reload();
    catalogue.waits = true;
    catalogue.all.splice(3);
    criteria.change({ q: 'other' });
    // rows of the search before are still shown
    expect(model.state.rows).toHaveLength(200);
    const adds = adding.addAll();
    await settled();
    expect(basket.count).toBe(0);
    for (let turn = 0; turn < 5; turn++) {
      catalogue.answers.forEach(answer => answer());
      await settled();
    }
    await adds;
    expect(basket.count).toBe(3);
    expect(adding.state.outcome).toMatchObject({ added: 3, failed: false });
  });

  it('nothing when the search changed, or the basket refuses', async () => {
    const { model, criteria, adding, catalogue } = make(3000);
    await model.reload();
    catalogue.waits = true;
    const adds = adding.addAll();
    criteria.change({ q: 'other' });
    for (let turn = 0; turn < 5; turn++) {
      catalogue.answers.forEach(answer => answer());
      await settled();
    }
    await adds;
    expect(catalogue.changes).toHaveLength(0);
    expect(adding.state.outcome).toMatchObject({ added: 0, failed: true });
    catalogue.waits = false;
    catalogue.full = true;
    await adding.add(catalogue.all.slice(0, 5));
    expect(adding.state.outcome).toMatchObject({ added: 0, failed: true });
  });
});
