/* eslint @typescript-eslint/no-unused-vars: off -- signatures of the routes, for who looks at their calls */
import { nullTranslator } from '@jupyterlab/translation';
import { configure } from '@testing-library/react';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';

import { ApiError } from '../../api';
import { BasketModel } from '../../model/basket';
import { Changes, SCHEMA_ID } from '../../model/changes';
import { CriteriaModel } from '../../model/search';
import { IPelagos } from '../../tokens';
import {
  IAbout,
  IBasket,
  IBasketItem,
  IEstimate,
  IOrder,
  IOrders,
  IStorage
} from '../../types';

// a machine with other work must not fail what is only slow
configure({ asyncUtilTimeout: 15_000 });
jest.setTimeout(60_000);

export const ABOUT: IAbout = {
  version: '0',
  hub: true,
  catalogue: 'vre',
  catalogue_url: '',
  datapool: true,
  workspace: true,
  dataspace: true,
  virtual_lab: 'ocean',
  virtual_lab_title: 'Ocean and climate',
  root: '/home/me',
  links: { home: '/hub/home', storage: '/services/workspace/' }
};

export const ITEM: IBasketItem = {
  catalogue: '',
  collection: 'argo',
  id: 'a1',
  title: 'Float 1',
  collection_title: '',
  size: 1024,
  files: 1,
  assets: null,
  cut: null
};

/** A whole list of orders. */
export function listed(...orders: IOrder[]): IOrders {
  return { orders, missing: null };
}

export const BASKET: IBasket = {
  revision: 1,
  items: [ITEM, { ...ITEM, id: 'a2', title: 'Float 2', size: null }],
  to: 'dataspace',
  title: '',
  cut: true,
  query: null
};

export const ESTIMATE: IEstimate = {
  files: 2,
  known: 1024,
  unknown: 1,
  cached: 0,
  free: 1024 ** 3,
  fits: true,
  reason: '',
  accept: [],
  refused: []
};

export const ORDER: IOrder = {
  id: '7',
  number: 7,
  state: 'fetching',
  title: '',
  to: 'dataspace',
  created: '2026-11-21T12:00:00Z',
  finished: null,
  expires: null,
  sequence: 1,
  files: { total: 4, ready: 1, failed: 0, waiting: 0, cached: 0 },
  bytes: { known: 4096, unknown: 0, done: 1024 },
  folder: '/home/me/dataspace/me/orders/7',
  contents: 'dataspace/me/orders/7',
  error: '',
  next_step: '',
  notes: [],
  can_cancel: true,
  can_retry: false
};

export const READY: Partial<IOrder> = {
  state: 'ready',
  can_cancel: false,
  files: { ...ORDER.files, ready: 4 },
  bytes: { ...ORDER.bytes, done: 4096 }
};

export const STORAGE: IStorage = {
  workspace: {
    state: 'mounted',
    reason: '',
    pending: 0,
    pending_bytes: 0,
    failed: [],
    used: 1024,
    total: 4096
  },
  dataspace: { areas: [] },
  reason: '',
  mend: '',
  keeping: [],
  server: {
    cores: 2,
    memory_limit: 4096,
    memory_used: 1024,
    home_free: 2048,
    home_total: 4096,
    killed: 0,
    killed_at: null
  }
};

export const AWAY = new ApiError(503, 'The data pool does not answer.', 'Try later.');
export const LOST = new ApiError(0, 'Your server does not answer.', 'Try again.');
export const SIGNED_OUT = new ApiError(401, 'Your sign-in has ended.', 'Reload.');

/** A server: each route is a mock that can be told what to answer. */
export function fakeApi() {
  const basket = jest.fn(async () => BASKET);
  const api = {
    about: jest.fn(async () => ABOUT),
    basket,
    changeBasket: jest.fn(async (change: any) => {
      let { items } = await basket();
      const keys = new Set(change.items?.map((one: any) => one.id));
      if (change.kind === 'remove' || change.kind === 'add') {
        items = items.filter(one => !keys.has(one.id));
      }
      items = change.kind === 'add' ? [...items, ...change.items] : items;
      items = change.kind === 'clear' ? [] : items;
      const { kind: _, items: __, ...rest } = change;
      const before = await basket();
      const after = { ...before, ...(change.kind === 'set' ? rest : {}), items };
      after.revision = before.revision + 1;
      basket.mockResolvedValue(after);
      return after;
    }),
    estimate: jest.fn(async (_signal?: AbortSignal) => ESTIMATE),
    order: jest.fn(async (_accept: string[], _key: string) => {
      const { revision } = await basket();
      basket.mockResolvedValue({ ...BASKET, items: [], revision: revision + 1 });
      return ORDER;
    }),
    orders: jest.fn(async (): Promise<IOrders> => listed(ORDER)),
    showOrder: jest.fn(async (_id: string): Promise<IOrder> => ORDER),
    orderFiles: jest.fn(async (_id: string, _offset?: number) => ({
      files: [] as any[],
      next: null as number | null
    })),
    citations: jest.fn(async () => [] as any[]),
    cancelOrder: jest.fn(async () => ({ ...ORDER, state: 'cancelled', sequence: 9 })),
    retryOrder: jest.fn(async () => ({ ...ORDER, state: 'queued', sequence: 9 })),
    deleteOrder: jest.fn(async () => undefined),
    storage: jest.fn(async () => STORAGE),
    retryStorage: jest.fn(async () => STORAGE),
    keep: jest.fn(async () => STORAGE),
    pin: jest.fn(async () => STORAGE),
    unpin: jest.fn(async () => STORAGE)
  };
  return api;
}

/** A page of JupyterLab with that server. `tell` sends an event. */
export function fakePelagos(api = fakeApi()) {
  const stream = new Signal<any, any>({});
  const changes = new Changes({ stream } as any);
  const commands = new CommandRegistry();
  const pelagos: IPelagos = {
    api: api as any,
    changes,
    basket: new BasketModel(api as any, changes),
    criteria: new CriteriaModel(),
    trans: nullTranslator.load('x'),
    state: null,
    commands,
    about: () => api.about(),
    settings: {
      catalogueUrl: '',
      tileUrl: '',
      tileAttribution: '',
      orderFolder: 'my-orders',
      notifyWhenReady: true
    },
    settingsChanged: new Signal<any, void>({})
  };
  const executed = jest.spyOn(commands, 'execute').mockResolvedValue(undefined);
  const tell = (kind: string, id = '', sequence = 0) =>
    stream.emit({ schema_id: SCHEMA_ID, kind, id, sequence });
  return { api, pelagos, changes, executed, tell };
}

/** A place for what is kept, without a browser. */
export function fakeStore(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key)
  } as unknown as Storage;
}

/** A promise that is answered by hand. */
export function later<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
