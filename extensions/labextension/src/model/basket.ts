import { ApiError, IApi } from '../api';
import { IBasket, IBasketChange, IBasketItem, ICriteria } from '../types';
import { Model } from './base';
import { Changes } from './changes';

export interface IBasketState {
  /** Null until it was asked for. */
  basket: IBasket | null;
  error: ApiError | null;
  /** What was taken out last and can be put back. */
  removed: IBasketItem[];
}

/** The basket, which the server keeps: every tab shows the same one. */
export class BasketModel extends Model<IBasketState> {
  constructor(
    private readonly api: IApi,
    changes: Changes
  ) {
    super({ basket: null, error: null, removed: [] });
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
    return this.find(collection, id) !== undefined;
  }

  find(collection: string, id: string): IBasketItem | undefined {
    return this._items.get(`${collection}\n${id}`);
  }

  load(): Promise<void> {
    return this.take(() => this.api.basket());
  }

  async add(items: IBasketItem[], query: ICriteria | null): Promise<void> {
    await this.change({ kind: 'add', items, query });
  }

  /** Take out granules; `undo` puts them back. */
  async remove(items: { collection: string; id: string }[]): Promise<void> {
    const wanted = new Set(items.map(one => `${one.collection}\n${one.id}`));
    await this.takeOut(
      {
        kind: 'remove',
        items: items.map(({ collection, id }) => ({ collection, id }))
      },
      one => wanted.has(`${one.collection}\n${one.id}`)
    );
  }

  /** Take out everything; `undo` puts it back. */
  clear(): Promise<void> {
    return this.takeOut({ kind: 'clear' }, () => true);
  }

  /** Put back what was taken out last. */
  async undo(): Promise<void> {
    const { basket, removed } = this.state;
    if (basket && removed.length) {
      await this.change({ kind: 'add', items: removed, query: basket.query });
    }
  }

  /** Raises nothing: what went wrong is in the state. */
  change(change: IBasketChange): Promise<void> {
    // what was taken out before can't be put back into what is another basket now
    const removed = change.kind === 'set' ? this.state.removed : [];
    return this.send(change, removed);
  }

  /** When all changes of this page were answered. */
  get saved(): Promise<void> {
    return this._saved;
  }

  private send(change: IBasketChange, removed: IBasketItem[]): Promise<void> {
    const done = this.take(() => this.api.changeBasket(change), removed);
    this._saved = Promise.all([this._saved, done]).then(() => undefined);
    return done;
  }

  private async takeOut(
    change: IBasketChange,
    isOut: (item: IBasketItem) => boolean
  ): Promise<void> {
    const gone = this.state.basket?.items.filter(isOut) ?? [];
    await this.send(change, gone);
  }

  private async take(
    ask: () => Promise<IBasket>,
    removed: IBasketItem[] | null = null
  ): Promise<void> {
    const known = this.state.basket?.revision ?? 0;
    try {
      const basket = await ask();
      const before = this.state.basket;
      // answers may overtake each other; but one below what was known when it was asked for is of
      // a server that has lost its basket
      if (basket.revision >= (before?.revision ?? 0) || basket.revision < known) {
        this._items = new Map(
          basket.items.map(one => [`${one.collection}\n${one.id}`, one])
        );
        // the same once more must not draw everything again
        const same = before?.revision === basket.revision;
        this.set({ basket: same ? before : basket, error: null });
      }
      if (removed) {
        this.set({ removed });
      }
    } catch (error) {
      this.set({ error: error as ApiError });
    }
  }

  private _items = new Map<string, IBasketItem>();
  private _saved: Promise<void> = Promise.resolve();
}
