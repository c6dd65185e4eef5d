import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApi, isAborted } from '../api';
import { sessionStore } from '../common/store';
import { Model } from '../model/base';
import { BasketModel } from '../model/basket';
import { IAbout, IBasket, IEstimate, IOrder } from '../types';

const WAIT = 400;
/** Space changes without us: an estimate that is older is made again when it is looked at. */
const OLD = 30_000;
const KEY = 'jupyterlab-pelagos:order-key';

export interface ICheckoutState {
  about: IAbout | null;
  aboutError: ApiError | null;
  /** Of the basket as it is; of the one before while `estimating`. */
  estimate: IEstimate | null;
  estimating: boolean;
  estimateError: ApiError | null;
  /** Keys of the terms that were accepted. */
  accepted: string[];
  ordering: boolean;
  orderError: ApiError | null;
}

/** Why an order can't be sent. */
export type Blocked =
  | ''
  | 'empty'
  | 'ordering'
  | 'estimating'
  | 'unknown'
  | 'refused'
  | 'nothing'
  | 'space'
  | 'terms';

/** From the basket to the order: what it would be, what has to be accepted, and the order itself. */
export class CheckoutModel extends Model<ICheckoutState> {
  constructor(
    private readonly api: IApi,
    private readonly basket: BasketModel,
    private readonly askAbout: () => Promise<IAbout>,
    private readonly folder: () => string,
    private readonly store: Storage | null = sessionStore(),
    private readonly clock: () => number = Date.now
  ) {
    super({
      about: null,
      aboutError: null,
      estimate: null,
      estimating: false,
      estimateError: null,
      accepted: [],
      ordering: false,
      orderError: null
    });
    basket.changed.connect(this._onBasket, this);
  }

  /** An order was made; null: it was, but what it is was not heard. */
  get ordered(): ISignal<this, IOrder | null> {
    return this._ordered;
  }

  get blocked(): Blocked {
    const { estimate, estimating, estimateError, ordering, accepted } = this.state;
    if (!this.basket.count) {
      return 'empty';
    }
    if (ordering) {
      return 'ordering';
    }
    if (estimating) {
      return 'estimating';
    }
    if (estimateError || !estimate) {
      return 'unknown';
    }
    if (estimate.refused.length) {
      return 'refused';
    }
    if (!estimate.files) {
      return 'nothing';
    }
    if (!estimate.fits) {
      return 'space';
    }
    return estimate.accept.every(one => accepted.includes(one.key)) ? '' : 'terms';
  }

  /** Whether somebody looks at it: only then it is estimated. */
  set visible(visible: boolean) {
    this._visible = visible;
    if (visible) {
      if (!this.state.about) {
        void this.loadAbout();
      }
      this._onBasket();
      if (this.state.estimate && this.clock() - this._estimatedAt > OLD) {
        this._plan(0);
      }
    }
  }

  async loadAbout(): Promise<void> {
    try {
      this.set({ about: await this.askAbout(), aboutError: null });
      this._onBasket();
    } catch (error) {
      this.set({ aboutError: error as ApiError });
    }
  }

  /** Estimate again, at once. */
  estimate(): void {
    this._plan(0);
  }

  accept(key: string, isAccepted: boolean): void {
    const others = this.state.accepted.filter(one => one !== key);
    this.set({ accepted: isAccepted ? [...others, key] : others });
  }

  /** Take out what can't be ordered. */
  leaveOut(): Promise<void> {
    const refused = this.state.estimate?.refused ?? [];
    return this.basket.remove(
      refused.map(({ collection, item }) => ({ collection, id: item }))
    );
  }

  /**
   * Order the basket. However often it is tried with the same basket until an answer comes, it is
   * one order: each attempt has the same key.
   */
  async order(): Promise<void> {
    if (this.blocked) {
      return;
    }
    this.set({ ordering: true, orderError: null });
    const { count } = this.basket;
    // a title that is still on its way belongs to the order
    await this.basket.saved;
    const accept = (this.state.estimate?.accept ?? []).map(one => one.key);
    const key = this._key(this.basket.state.basket?.revision ?? 0);
    const ask = () => this.api.order(accept, key);
    try {
      this._done(await ask());
      await this.basket.load();
    } catch (error) {
      await this._onRefused(error as ApiError, count, ask);
    } finally {
      this.set({ ordering: false });
    }
  }

  override dispose(): void {
    this.basket.changed.disconnect(this._onBasket, this);
    window.clearTimeout(this._timer);
    this._asking?.abort();
    super.dispose();
  }

  private _done(order: IOrder | null): void {
    this.store?.removeItem(KEY);
    this.set({ accepted: [], estimate: null });
    this._ordered.emit(order);
  }

  private async _onRefused(
    error: ApiError,
    before: number,
    ask: () => Promise<IOrder>
  ): Promise<void> {
    await this.basket.load();
    if (error.isPassing && before && !this.basket.count && !this.basket.state.error) {
      // the basket is emptied by the order: only the answer was lost, and the key finds it again
      this._done(await ask().catch(() => null));
      return;
    }
    this.set({ orderError: error });
    if (!error.isPassing) {
      // another attempt is another order, and its terms may be others
      this.store?.removeItem(KEY);
      this._plan(0);
    }
  }

  private _key(revision: number): string {
    const kept = this.store?.getItem(KEY)?.split(' ');
    if (kept?.[0] === String(revision) && kept[1]) {
      return kept[1];
    }
    const key = randomKey();
    this.store?.setItem(KEY, `${revision} ${key}`);
    return key;
  }

  private _onBasket(): void {
    const { basket } = this.basket.state;
    if (!basket || !this._visible || basket === this._seen) {
      return;
    }
    const { about } = this.state;
    const to = about ? targetOf(basket.to, about, this.folder() || FOLDER) : basket.to;
    if (basket.items.length && to !== basket.to) {
      if (!this._aiming) {
        this._aiming = true;
        void this.basket.change({ kind: 'set', to }).finally(() => {
          this._aiming = false;
        });
      }
    } else {
      this._seen = basket;
      if (contentOf(basket) !== this._estimated) {
        this.set({ orderError: null });
        this._plan(WAIT);
      }
    }
  }

  private _plan(wait: number): void {
    window.clearTimeout(this._timer);
    this._asking?.abort();
    this._asking = null;
    const { basket } = this.basket.state;
    if (!basket?.items.length) {
      this._estimated = '';
      this.set({ estimate: null, estimating: false, estimateError: null });
      return;
    }
    this._estimated = contentOf(basket);
    this.set({ estimating: true, estimateError: null });
    this._timer = window.setTimeout(() => void this._estimate(), wait);
  }

  private async _estimate(): Promise<void> {
    const asking = (this._asking = new AbortController());
    try {
      const estimate = await this.api.estimate(asking.signal);
      // an answer about what the basket was is no answer
      if (this._asking === asking) {
        this._estimatedAt = this.clock();
        this.set({ estimate, estimating: false, estimateError: null });
      }
    } catch (error) {
      if (this._asking === asking && !isAborted(error)) {
        this.set({ estimating: false, estimateError: error as ApiError });
      }
    }
  }

  private readonly _ordered = new Signal<this, IOrder | null>(this);
  private _visible = false;
  private _aiming = false;
  private _seen: IBasket | null = null;
  private _estimated = '';
  private _estimatedAt = 0;
  private _timer = 0;
  private _asking: AbortController | null = null;
}

/** What an estimate is about: all but the title. */
function contentOf({ items, to, cut }: IBasket): string {
  return JSON.stringify([items, to, cut]);
}

/** What the server calls the folder where nobody has named one, and the setting's default. */
const FOLDER = 'pelagos-orders';

export function isFolder(to: string): boolean {
  return to !== '' && to !== 'dataspace' && to !== 'workspace';
}

/** Where an order goes: as the basket says if this server can, else what comes first here. */
export function targetOf(to: string, about: IAbout, folder: string): string {
  if (isFolder(to)) {
    return to === FOLDER && !about.datapool ? folder : to;
  }
  if (!about.datapool) {
    return folder;
  }
  if (to === 'workspace' && about.workspace) {
    return to;
  }
  return about.dataspace || !about.workspace ? 'dataspace' : 'workspace';
}

function randomKey(): string {
  if (typeof crypto.randomUUID === 'function') {
    return crypto.randomUUID();
  }
  // it is missing where the page is neither https nor localhost
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), one =>
    one.toString(16).padStart(2, '0')
  ).join('');
}
