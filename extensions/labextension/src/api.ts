import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle, nullTranslator } from '@jupyterlab/translation';

import * as T from './types';

/** Below the server's base URL. */
export const NAMESPACE = 'pelagos';
const SECONDS = 90;

/** What a person is told: what happened and why, and what to do next. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    readonly mend: string,
    readonly problem: Partial<T.IProblem> = {}
  ) {
    super(mend ? `${reason} ${mend}` : reason);
    this.name = 'ApiError';
  }

  /** Whether a sign-in has ended. */
  get isSignedOut(): boolean {
    return this.status === 401 || this.status === 403;
  }

  /** Whether asking later may help. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The routes of the server extension; each raises ApiError, or AbortError when it was given up. */
export interface IApi {
  about(): Promise<T.IAbout>;
  collections(
    request: T.ISearchRequest,
    signal?: AbortSignal
  ): Promise<T.ICollectionsPage>;
  matches(request: T.ISearchRequest, signal?: AbortSignal): Promise<T.IMatches>;
  facets(request: T.ISearchRequest, signal?: AbortSignal): Promise<T.IFacets>;
  granules(request: T.ISearchRequest, signal?: AbortSignal): Promise<T.IGranulesPage>;
  granule(
    catalogue: string,
    collection: string,
    item: string,
    signal?: AbortSignal
  ): Promise<T.IGranuleDetails>;
  preview(request: T.IPreviewRequest, signal?: AbortSignal): Promise<T.IPreview>;
  basket(): Promise<T.IBasket>;
  changeBasket(change: T.IBasketChange): Promise<T.IBasket>;
  /** Of what is in the basket. */
  estimate(signal?: AbortSignal): Promise<T.IEstimate>;
  /** What is in the basket; it is emptied when the order is made. `key` makes a retry safe. */
  order(accept: string[], key: string): Promise<T.IOrder>;
  orders(): Promise<T.IOrders>;
  showOrder(id: string): Promise<T.IOrder>;
  orderFiles(id: string, offset?: number): Promise<T.IOrderFiles>;
  citations(id: string): Promise<T.ICitation[]>;
  cancelOrder(id: string): Promise<T.IOrder>;
  retryOrder(id: string): Promise<T.IOrder>;
  deleteOrder(id: string): Promise<void>;
  storage(): Promise<T.IStorage>;
  /** Mount again and upload again. */
  retryStorage(): Promise<T.IStorage>;
  /** Copy a path of an area of the dataspace to the workspace. */
  keep(area: string, path: string): Promise<T.IStorage>;
  /** Keep a path from expiring for some days. */
  pin(area: string, path: string, days: number): Promise<T.IStorage>;
  unpin(area: string, path: string): Promise<T.IStorage>;
}

type Query = Record<string, string | number | undefined>;

/** The one place that talks to the server. */
export class Api implements IApi {
  constructor(
    private readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings(),
    private readonly trans: TranslationBundle = nullTranslator.load('jupyterlab_pelagos')
  ) {}

  about = () => this.ask<T.IAbout>('GET', 'about');
  collections = (request: T.ISearchRequest, signal?: AbortSignal) =>
    this.ask<T.ICollectionsPage>('POST', 'collections', request, {}, signal);
  matches = (request: T.ISearchRequest, signal?: AbortSignal) =>
    this.ask<T.IMatches>('POST', 'matches', request, {}, signal);
  facets = (request: T.ISearchRequest, signal?: AbortSignal) =>
    this.ask<T.IFacets>('POST', 'facets', request, {}, signal);
  granules = (request: T.ISearchRequest, signal?: AbortSignal) =>
    this.ask<T.IGranulesPage>('POST', 'granules', request, {}, signal);
  granule = (catalogue: string, collection: string, item: string, signal?: AbortSignal) =>
    this.ask<T.IGranuleDetails>(
      'GET',
      'granule',
      null,
      { catalogue, collection, item },
      signal
    );
  preview = (request: T.IPreviewRequest, signal?: AbortSignal) =>
    this.ask<T.IPreview>('POST', 'preview', request, {}, signal);
  basket = () => this.ask<T.IBasket>('GET', 'basket');
  changeBasket = (change: T.IBasketChange) =>
    this.ask<T.IBasket>('POST', 'basket', change);
  estimate = (signal?: AbortSignal) =>
    this.ask<T.IEstimate>('POST', 'estimate', {}, {}, signal);
  order = (accept: string[], key: string) =>
    this.ask<T.IOrder>('POST', 'orders', { accept, key });
  orders = () => this.ask<T.IOrders>('GET', 'orders');
  showOrder = (id: string) => this.ask<T.IOrder>('GET', `orders/${enc(id)}`);
  orderFiles = (id: string, offset = 0) =>
    this.ask<T.IOrderFiles>('GET', `orders/${enc(id)}/files`, null, { offset });
  citations = (id: string) =>
    this.ask<T.ICitation[]>('GET', `orders/${enc(id)}/citations`);
  cancelOrder = (id: string) =>
    this.ask<T.IOrder>('POST', `orders/${enc(id)}/cancel`, {});
  retryOrder = (id: string) => this.ask<T.IOrder>('POST', `orders/${enc(id)}/retry`, {});
  deleteOrder = (id: string) => this.ask<void>('DELETE', `orders/${enc(id)}`);
  storage = () => this.ask<T.IStorage>('GET', 'storage');
  retryStorage = () => this.ask<T.IStorage>('POST', 'storage/retry', {});
  keep = (area: string, path: string) =>
    this.ask<T.IStorage>('POST', 'storage/keep', { area, path });
  pin = (area: string, path: string, days: number) =>
    this.ask<T.IStorage>('PUT', 'storage/pins', { area, path, days });
  unpin = (area: string, path: string) =>
    this.ask<T.IStorage>('DELETE', 'storage/pins', { area, path });

  private async ask<R>(
    method: string,
    path: string,
    body: object | null = null,
    query: Query = {},
    signal?: AbortSignal
  ): Promise<R> {
    // what asks by itself must not keep a forgotten server alive
    const wanted = { ...query, ...(method === 'GET' ? { no_track_activity: 1 } : {}) };
    const pairs = Object.entries(wanted).filter(([, value]) => value !== undefined);
    const url =
      URLExt.join(this.settings.baseUrl, NAMESPACE, path) +
      (pairs.length
        ? URLExt.objectToQueryString(
            Object.fromEntries(pairs.map(([name, value]) => [name, String(value)]))
          )
        : '');
    const timer = new AbortController();
    const stop = () => timer.abort();
    signal?.addEventListener('abort', stop);
    const clock = window.setTimeout(stop, SECONDS * 1000);
    let response: Response;
    let text: string;
    try {
      response = await ServerConnection.makeRequest(
        url,
        { method, signal: timer.signal, ...(body ? { body: JSON.stringify(body) } : {}) },
        this.settings
      );
      text = await response.text();
    } catch {
      if (signal?.aborted) {
        throw new DOMException('given up', 'AbortError');
      }
      throw new ApiError(
        0,
        timer.signal.aborted
          ? this.trans.__('Your server did not answer within %1 seconds.', SECONDS)
          : this.trans.__('Your server does not answer.'),
        this.trans.__('Look whether it still runs, then try again.')
      );
    } finally {
      window.clearTimeout(clock);
      signal?.removeEventListener('abort', stop);
    }
    if (response.ok) {
      return (text ? JSON.parse(text) : undefined) as R;
    }
    throw refusal(response.status, text, this.trans);
  }
}

function refusal(status: number, text: string, trans: TranslationBundle): ApiError {
  let problem: Partial<T.IProblem> = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    // a page of a proxy
  }
  if (status === 401 || (status === 403 && !problem.reason)) {
    return new ApiError(
      status,
      trans.__('Your sign-in has ended.'),
      trans.__('Reload the page to sign in again.')
    );
  }
  return new ApiError(
    status,
    problem.reason || trans.__('Your server answered %1.', status),
    problem.mend ?? '',
    problem
  );
}

/** Why a part of an answer is missing, where its service is away. */
export function missingError({ reason, mend }: T.IProblem): ApiError {
  return new ApiError(503, reason, mend ?? '');
}

/** Whether something was given up, which nobody needs to be told of. */
export function isAborted(error: unknown): boolean {
  return (error as Error | null)?.name === 'AbortError';
}

function enc(text: string): string {
  return encodeURIComponent(text);
}
