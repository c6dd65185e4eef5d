import { ApiError, IApi } from '../api';
import { IBasket, IBasketChange, IBasketItem, ICriteria } from '../types';
import { Model } from './base';
import { Changes } from './changes';

export interface IBasketState {
  /** Null until it was asked for. */
  basket: IBasket | null;
  error: ApiError | null;
}

/** The basket, which the server keeps: every tab shows the same one. */
export class BasketModel extends Model<IBasketState> {
  constructor(
    private readonly api: IApi,
    changes: Changes
  ) {
    super({ basket: null, error: null });
    changes.changed.connect((_, change) => {
      if (change.kind === 'basket' && change.sequence !== this.state.basket?.revision) {
        void this.load();
      }
    });
  }

  get count(): number {
    return this.state.basket?.items.length ?? 0;
  }

  has(collection: string, id: string): boolean {
    return this._keys.has(`${collection}\n${id}`);
  }

  load(): Promise<void> {
    return this.take(() => this.api.basket());
  }

  add(items: IBasketItem[], query: ICriteria | null): Promise<void> {
    return this.change({ kind: 'add', items, query });
  }

  remove(items: { collection: string; id: string }[]): Promise<void> {
    return this.change({
      kind: 'remove',
      items: items.map(({ collection, id }) => ({ collection, id }))
    });
  }

  /** Raises nothing: what went wrong is in the state. */
  change(change: IBasketChange): Promise<void> {
    return this.take(() => this.api.changeBasket(change));
  }

  private async take(ask: () => Promise<IBasket>): Promise<void> {
    try {
      const basket = await ask();
      // answers may overtake each other
      if (basket.revision >= (this.state.basket?.revision ?? 0)) {
        this._keys = new Set(basket.items.map(one => `${one.collection}\n${one.id}`));
        this.set({ basket, error: null });
      }
    } catch (error) {
      this.set({ error: error as ApiError });
    }
  }

  private _keys = new Set<string>();
}
