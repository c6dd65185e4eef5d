import { nullTranslator } from '@jupyterlab/translation';

import { ApiError, IApi } from '../../api';
import { ICitation, IOrder, IUsable } from '../../types';
import { gather, keyOf, nameOf } from '../gather';
import { translated } from '../settings';
import { citationText, contentsPath, copyCitations, lastOrder } from '../things';

const trans = nullTranslator.load('jupyterlab_pelagos');
const CITATION: ICitation = {
  title: 'T',
  text: 'Somebody\n(2020).',
  doi: '10.1/x',
  licence: '',
  licence_text: '',
  url: ''
};

function shared(api: Partial<IApi>, about: object = {}, catalogueUrl = ''): any {
  return { api, about: async () => about, settings: { catalogueUrl }, trans };
}

const granule: IUsable = {
  kind: 'granule',
  catalogue: '',
  collection: 'c',
  item: 'i',
  title: 'T'
};
const file: IUsable = {
  kind: 'file',
  path: '/o/a.nc',
  type: '',
  collection: 'c',
  item: 'i',
  order: '7'
};

describe('what a cell is for', () => {
  it('has one key, however it is given', () => {
    const order = { id: '7', title: 'x' } as IOrder;
    expect(keyOf({ kind: 'order', order })).toBe(
      keyOf({ kind: 'order', order: { ...order, title: 'y' } })
    );
    expect(keyOf({ ...granule, title: 'other' })).toBe(keyOf(granule));
    // from the catalogue, and from its file that is here
    expect(keyOf({ ...file, order: '' })).toBe(keyOf(granule));
    expect(keyOf(file)).toBe('file:/o/a.nc');
    expect(keyOf({ ...granule, collection: 'c","i' })).not.toBe(keyOf(granule));
  });

  it('has a name', () => {
    expect(nameOf(file)).toBe('a.nc');
    expect(nameOf({ ...granule, title: '' })).toBe('i');
    expect(nameOf({ kind: 'order', order: { title: '', number: 7 } as IOrder })).toBe(
      '7'
    );
  });
});

describe('what code is made of', () => {
  it('is the file of a granule that is here already', async () => {
    const details = { path: '/pool/a.nc', citation: [CITATION], assets: [] };
    const api = { granule: async () => details } as unknown as IApi;
    expect(await gather(shared(api), granule, false)).toEqual({
      kind: 'file',
      path: '/pool/a.nc',
      type: '',
      citations: [CITATION]
    });
  });

  it('has the address of a catalogue that is not the own one', async () => {
    const api = { granule: async () => ({ path: null, citation: [] }) } as any;
    const told = { catalogue: 'url', catalogue_url: 'https://x.org' };
    expect(await gather(shared(api, told), granule, false)).toMatchObject({
      catalogue: 'https://x.org'
    });
    expect(
      await gather(shared(api, told, 'https://mine.org'), granule, false)
    ).toMatchObject({ catalogue: 'https://mine.org' });
    const own = { catalogue: 'vre', catalogue_url: '' };
    expect(await gather(shared(api, own), granule, false)).toMatchObject({
      catalogue: ''
    });
  });

  it('goes without a citation that can not be had', async () => {
    const away = async () => {
      throw new ApiError(503, 'away', '');
    };
    const found = await gather(shared({ citations: away, granule: away }), file, false);
    expect(found).toMatchObject({ kind: 'file', citations: [] });
  });

  it('cites the data set of a file, and all of its order only if that can not be had', async () => {
    const ofOrder = [CITATION, { ...CITATION, title: 'U' }];
    const granule = jest.fn(async (): Promise<any> => ({ citation: [CITATION] }));
    const api: any = { citations: async () => ofOrder, granule };
    expect(await gather(shared(api), file, false)).toMatchObject({
      citations: [CITATION]
    });
    granule.mockResolvedValueOnce({ citation: [] });
    expect(await gather(shared(api), file, false)).toMatchObject({ citations: ofOrder });
    granule.mockRejectedValueOnce(new ApiError(404, 'gone', ''));
    expect(await gather(shared(api), file, false)).toMatchObject({ citations: ofOrder });
  });

  it('has the files of an order only where they are needed', async () => {
    const order = { id: '7', files: { total: 1 } } as IOrder;
    const files = [{ local: '/a' }, { local: null }];
    const api: any = {
      showOrder: async () => order,
      citations: async () => [],
      orderFiles: jest.fn(async () => ({ files, next: 100 }))
    };
    const python = await gather(shared(api), { kind: 'order', order }, false);
    expect(python).toMatchObject({ files: [], more: false });
    expect(api.orderFiles).not.toHaveBeenCalled();
    const inR = await gather(shared(api), { kind: 'order', order }, true);
    expect(inR).toMatchObject({ files: [{ local: '/a' }], more: true });
  });
});

describe('an order', () => {
  const order = { id: '7', files: { total: 3 } } as IOrder;
  const found = async (orderFiles: any): Promise<any> => {
    const api: any = {
      showOrder: async () => order,
      citations: async () => [],
      orderFiles
    };
    return gather(shared(api), { kind: 'order', order }, false);
  };
  const page = (next: number | null, ...sets: string[]) => ({
    files: sets.map(collection => ({ collection })),
    next
  });

  it('can be joined only if its files are of one data set', async () => {
    expect((await found(async () => page(null, 'c', 'c'))).joinable).toBe(true);
    expect((await found(async () => page(null, 'c', 'd'))).joinable).toBe(false);
    const long = async (_: string, offset = 0) =>
      offset ? page(null, 'd') : page(2, 'c', 'c');
    expect((await found(long)).joinable).toBe(false);
    const away = async () => {
      throw new ApiError(503, 'away', '');
    };
    expect((await found(away)).joinable).toBe(false);
  });
});

describe('things', () => {
  it('last is the newest order that is ready', async () => {
    const orders = [
      { id: 'a', state: 'ready', created: '2026-01-01T00:00:00Z' },
      { id: 'b', state: 'ready', created: '2026-01-03T00:00:00Z' },
      { id: 'c', state: 'fetching', created: '2026-01-04T00:00:00Z' }
    ] as IOrder[];
    expect(
      (await lastOrder(shared({ orders: async () => ({ orders, missing: null }) })))?.id
    ).toBe('b');
    expect(
      await lastOrder(shared({ orders: async () => ({ orders: [], missing: null }) }))
    ).toBeNull();
  });

  it('are cited in one line, with the DOI once', () => {
    expect(citationText(CITATION)).toBe('Somebody (2020). https://doi.org/10.1/x');
    const text = 'Somebody. https://doi.org/10.1/x';
    expect(citationText({ ...CITATION, text })).toBe(text);
  });

  it('without a citation say so', async () => {
    const api = { citations: async () => [] };
    await expect(copyCitations(shared(api), { order: '7' })).rejects.toThrow(
      'does not say'
    );
    await expect(
      copyCitations(shared({ orders: async () => ({ orders: [], missing: null }) }), {})
    ).rejects.toThrow('None of your orders');
  });

  it('have a path in the file browser, or none', async () => {
    const found = shared({}, { root: '/home/me/' });
    expect(await contentsPath(found, 'orders/7')).toBe('orders/7');
    expect(await contentsPath(found, '/home/me/orders/7')).toBe('orders/7');
    expect(await contentsPath(found, '/home/me')).toBe('');
    await expect(contentsPath(found, '/home/meandyou/x')).rejects.toThrow(
      'does not show'
    );
  });
});

describe('settings', () => {
  it('are translated with the contexts of the server', () => {
    const asked: string[][] = [];
    const bundle: any = {
      pgettext: (context: string, text: string) => {
        asked.push([context, text]);
        return text.toUpperCase();
      }
    };
    const schema: any = {
      title: 'a',
      description: 'b',
      'jupyter.lab.setting-icon-label': 'c',
      properties: { one: { title: 'd', default: 'kept' } }
    };
    expect(translated(schema, bundle)).toEqual({
      title: 'A',
      description: 'B',
      'jupyter.lab.setting-icon-label': 'C',
      properties: { one: { title: 'D', default: 'kept' } }
    });
    expect(asked).toEqual([
      ['schema', 'a'],
      ['schema', 'b'],
      ['settings', 'c'],
      ['settings', 'd']
    ]);
  });
});
