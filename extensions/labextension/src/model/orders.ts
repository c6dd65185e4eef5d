import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { ApiError, IApi, missingError } from '../api';
import { IOrder, OrderState } from '../types';
import { oneAtATime } from './again';
import { Model } from './base';
import { Changes } from './changes';
import { Rate } from './rate';

const INTERVAL = 30_000;
const SLOWEST = 5 * 60_000;
/** Changes come in crowds: how long others are waited for before it is asked again. */
const GATHER = 400;
/** A list that is older is asked for when somebody comes back. */
const OLD = 60_000;
/** One that is older, when somebody opens it. */
const FRESH = 5_000;

const UNDER_WAY: OrderState[] = ['queued', 'fetching', 'waiting', 'verifying'];

export function isUnderWay(order: IOrder): boolean {
  return UNDER_WAY.includes(order.state);
}

/** Whether it is the data pool's; others this server carries out itself. */
function isOfPool({ id }: IOrder): boolean {
  return /^\d+$/.test(id);
}

/** From 0 to 1: by bytes where all sizes are known, else by files; null if there is neither. */
export function shareOf({ state, bytes, files }: IOrder): number | null {
  if (state === 'ready') {
    return 1;
  }
  if (bytes.known > 0 && !bytes.unknown) {
    return Math.min(1, bytes.done / bytes.known);
  }
  return files.total > 0 ? Math.min(1, files.ready / files.total) : null;
}

export type OrderAction = 'cancel' | 'retry' | 'forget';

export interface IOrdersState {
  /** The newest first; null until they were asked for. */
  orders: IOrder[] | null;
  /** Why the list could not be had; `orders` are then those of the last time. */
  error: ApiError | null;
  /** Which one is to be shown. */
  focus: string | null;
  busy: Readonly<Record<string, OrderAction>>;
  /** What was not done with an order, and why. */
  failures: Readonly<Record<string, ApiError>>;
}

/** A person's orders. Events are reasons to ask; a slow poll finds what no event told. */
export class OrdersModel extends Model<IOrdersState> {
  constructor(
    private readonly api: IApi,
    changes: Changes,
    private readonly clock: () => number = Date.now
  ) {
    super({ orders: null, error: null, focus: null, busy: {}, failures: {} });
    changes.changed.connect(this._onChange, this);
    this._poll = new Poll({
      auto: false,
      name: 'jupyterlab-pelagos:orders',
      factory: () => this._load(),
      frequency: { interval: INTERVAL, backoff: true, max: SLOWEST },
      standby: () => (this._isSettled ? true : 'when-hidden')
    });
    document.addEventListener('visibilitychange', this._onVisible);
  }

  /** One that was placed here, whatever becomes of it. */
  get placed(): ISignal<this, IOrder> {
    return this._placed;
  }

  get underWay(): number {
    return this.state.orders?.filter(isUnderWay).length ?? 0;
  }

  find(id: string): IOrder | null {
    return this.state.orders?.find(one => one.id === id) ?? null;
  }

  /** Seconds until it is there, where that can be told: see `Rate`. */
  left(order: IOrder): number | null {
    return this._rates.get(order.id)?.left(order, this.clock()) ?? null;
  }

  /** Ask for all, and go on asking while something is under way. */
  async start(): Promise<void> {
    await this.load();
    // asked just now
    await this._poll.schedule({ phase: 'started', interval: INTERVAL });
  }

  /** Ask for all now. Raises nothing: what went wrong is in the state. */
  async load(): Promise<void> {
    await this._load().catch(() => undefined);
  }

  /** Somebody opens the list: ask for it, unless that was just done, or never yet. */
  look(): void {
    if (this._asked && this.clock() - this._asked > FRESH) {
      void this.load();
    }
  }

  /** Take up an order that was placed here, and show it. */
  put(order: IOrder): void {
    if (this.state.orders === null) {
      void this.load();
    }
    this._take(order, this._counter);
    this.set({ focus: order.id });
    this._placed.emit(order);
  }

  focus(id: string | null): void {
    this.set({ focus: id });
  }

  cancel(id: string): Promise<void> {
    return this._act(id, 'cancel', () => this.api.cancelOrder(id));
  }

  retry(id: string): Promise<void> {
    return this._act(id, 'retry', () => this.api.retryOrder(id));
  }

  forget(id: string): Promise<void> {
    return this._act(id, 'forget', () => this.api.deleteOrder(id));
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this._onVisible);
    this._poll.dispose();
    super.dispose();
  }

  private get _isSettled(): boolean {
    const { orders, error } = this.state;
    const isSure = this._listed >= this._doubted;
    return orders !== null && !error && isSure && !this.underWay;
  }

  private async _ask(): Promise<void> {
    const began = ++this._counter;
    this._asked = this.clock();
    try {
      const { orders: found, missing } = await this.api.orders();
      const listed = new Set(found.map(one => one.id));
      const orders = found
        .filter(one => (this._dropped.get(one.id) ?? 0) < began)
        .map(one => this._newer(one, began));
      // what came in since it was asked for is not in the answer, nor what could not be asked for
      const others = (this.state.orders ?? []).filter(
        one =>
          !listed.has(one.id) &&
          ((missing && isOfPool(one)) || this._isSince(one.id, began))
      );
      this._measure(orders);
      const all = sorted([...others, ...orders]);
      const error = missing && missingError(missing);
      // nothing to show is not yet nothing there
      this.set({ orders: missing && !all.length ? this.state.orders : all, error });
      this._review();
      if (error) {
        throw error;
      }
      this._listed = began;
    } catch (error) {
      this.set({ error: error as ApiError });
      throw error;
    }
  }

  private _take(order: IOrder, began: number): void {
    const before = this.state.orders ?? [];
    const taken = this._newer(order, began);
    this._came.set(order.id, ++this._counter);
    this._measure([taken]);
    this.set({
      orders: sorted([taken, ...before.filter(one => one.id !== order.id)])
    });
    this._review();
  }

  /** Take back failures of what was carried out all the same: only the answer was lost. */
  private _review(): void {
    for (const [id, before] of this._doubts) {
      if (hasTurned(before, this.find(id))) {
        this._doubts.delete(id);
        const failures = { ...this.state.failures };
        delete failures[id];
        this.set({ failures });
      }
    }
  }

  private _isSince(id: string, began: number): boolean {
    return (this._came.get(id) ?? 0) > began;
  }

  /**
   * Answers may overtake each other: then the sequence decides. Else the answer is right, as a
   * server that was started anew may count anew.
   */
  private _newer(order: IOrder, began: number): IOrder {
    const known = this.find(order.id);
    const isOld =
      known && known.sequence >= order.sequence && this._isSince(order.id, began);
    return isOld ? known : order;
  }

  private _drop(id: string): void {
    this._dropped.set(id, ++this._counter);
    this._rates.delete(id);
    this._doubts.delete(id);
    const failures = { ...this.state.failures };
    delete failures[id];
    this.set({
      orders: this.state.orders?.filter(one => one.id !== id) ?? null,
      failures
    });
  }

  private async _act(
    id: string,
    action: OrderAction,
    ask: () => Promise<IOrder | void>
  ): Promise<void> {
    if (this.state.busy[id]) {
      return;
    }
    const failures = { ...this.state.failures };
    delete failures[id];
    this.set({ busy: { ...this.state.busy, [id]: action }, failures });
    const before = this.find(id);
    this._doubts.delete(id);
    const began = ++this._counter;
    try {
      const order = await ask();
      if (order) {
        this._take(order, began);
      } else {
        this._drop(id);
      }
    } catch (error) {
      if ((error as ApiError).status === 404) {
        // it was forgotten elsewhere, or the answer of the last time was lost
        this._drop(id);
      } else {
        this.set({ failures: { ...this.state.failures, [id]: error as ApiError } });
        if (before && (error as ApiError).isPassing) {
          // it may have been carried out, or will be: that is seen in the next list, or now
          this._doubts.set(id, before);
          this._doubted = ++this._counter;
          this._review();
        }
      }
    } finally {
      const busy = { ...this.state.busy };
      delete busy[id];
      this.set({ busy });
    }
  }

  private _onChange(_: Changes, change: { kind: string; id: string; sequence: number }) {
    if (change.kind !== 'order' || this.state.orders === null) {
      return;
    }
    const known = this.find(change.id);
    if (!known) {
      // however many such events are sent, they make one question
      this._gathering ??= window.setTimeout(() => {
        this._gathering = null;
        void this.load();
      }, GATHER);
    } else if (known.sequence !== change.sequence) {
      void this._askOne(change.id);
    }
  }

  /** Ask for one order, and once more if something was told of it meanwhile. */
  private async _askOne(id: string): Promise<void> {
    if (this._asking.has(id)) {
      this._asking.set(id, true);
      return;
    }
    try {
      do {
        this._asking.set(id, false);
        const began = ++this._counter;
        const order = await this.api.showOrder(id);
        if ((this._dropped.get(id) ?? 0) < began) {
          this._take(order, began);
        }
        // files that come in quickly are told of together
        await new Promise(done => window.setTimeout(done, GATHER));
      } while (this._asking.get(id) && !this.isDisposed);
    } catch (error) {
      if ((error as ApiError).status === 404) {
        this._drop(id);
      } else {
        this.set({ error: error as ApiError });
      }
    } finally {
      this._asking.delete(id);
    }
  }

  private _measure(orders: IOrder[]): void {
    for (const order of orders) {
      if (isUnderWay(order)) {
        const rate = this._rates.get(order.id) ?? new Rate();
        rate.add(order, this.clock());
        this._rates.set(order.id, rate);
      } else {
        this._rates.delete(order.id);
      }
    }
  }

  // a poll that stands still while nobody looks must not show what was
  private readonly _onVisible = () => {
    const isOld = this.clock() - this._asked > OLD;
    if (!document.hidden && this._asked && (isOld || !this._isSettled)) {
      void this.load();
    }
  };

  private readonly _load = oneAtATime(() => this._ask());
  private readonly _poll: Poll<void>;
  private readonly _rates = new Map<string, Rate>();
  private readonly _asking = new Map<string, boolean>();
  private readonly _came = new Map<string, number>();
  private readonly _dropped = new Map<string, number>();
  /** Orders as they were before what was tried with them, to which no clear answer came. */
  private readonly _doubts = new Map<string, IOrder>();
  private _doubted = 0;
  private _listed = 0;
  private _counter = 0;
  private _asked = 0;
  private _gathering: number | null = null;
  private readonly _placed = new Signal<this, IOrder>(this);
}

/** Whether an order was cancelled, tried again or forgotten since; its progress is none of it. */
function hasTurned(before: IOrder, now: IOrder | null): boolean {
  if (!now || isUnderWay(before) !== isUnderWay(now)) {
    return true;
  }
  return !isUnderWay(now) && before.sequence !== now.sequence;
}

function sorted(orders: IOrder[]): IOrder[] {
  return [...orders].sort(
    (a, b) => (b.created ?? '').localeCompare(a.created ?? '') || b.number - a.number
  );
}
