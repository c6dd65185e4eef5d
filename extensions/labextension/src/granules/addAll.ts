import { BasketModel } from '../model/basket';
import { Model } from '../model/base';
import { IBasketItem, ICut, IGranule } from '../types';
import { GranulesModel } from './model';

/** So many at once go into the basket. */
const AT_ONCE = 5000;

export interface IAddState {
  phase: 'idle' | 'loading' | 'adding';
  /** Granules that are there, of how many; `of` null if nobody knows. */
  done: number;
  of: number | null;
  /** What became of the last one. */
  outcome: IOutcome | null;
}

/** Granules. `beyond`: whether more match than were looked at. */
export interface IOutcome {
  added: number;
  /** In the basket for another area or time, and now for this one. */
  changed: number;
  already: number;
  empty: number;
  beyond: boolean;
  cancelled: boolean;
  failed: boolean;
  /** Whether the search was changed before all were loaded. */
  overtaken: boolean;
}

/** Puts granules into the basket: those selected, or all that match. */
export class AddModel extends Model<IAddState> {
  /** `titles`: of data sets, by id. */
  constructor(
    private readonly granules: GranulesModel,
    private readonly basket: BasketModel,
    readonly titles: Readonly<Record<string, string>> = {}
  ) {
    super({ phase: 'idle', done: 0, of: null, outcome: null });
    granules.criteria.changed.connect(this.forget, this);
    basket.changed.connect(this.onBasket, this);
  }

  override dispose(): void {
    this.cancel();
    this.granules.criteria.changed.disconnect(this.forget, this);
    this.basket.changed.disconnect(this.onBasket, this);
    super.dispose();
  }

  get isBusy(): boolean {
    return this.state.phase !== 'idle';
  }

  /** These granules. */
  async add(granules: readonly IGranule[]): Promise<void> {
    if (!this.isBusy) {
      this.isCancelled = false;
      await this.put(granules, false);
    }
  }

  /** Everything that matches: first what is not loaded is, up to the most that a list takes. */
  async addAll(): Promise<void> {
    const { granules } = this;
    if (this.isBusy) {
      return;
    }
    this.isCancelled = false;
    const criteria = granules.criteria.state;
    while (granules.state.loading === 'first' && !this.isCancelled) {
      // the rows are still those of the search before
      this.tell('loading', 0, null);
      await granules.more();
    }
    this.tell('loading', granules.state.rows.length, granules.state.matched);
    let going = granules.state.next !== null;
    while (going && !this.isCancelled) {
      going = await granules.more();
      this.tell('loading', granules.state.rows.length, granules.state.matched);
    }
    const overtaken = criteria !== granules.criteria.state;
    const failed = granules.state.error !== null || overtaken;
    if (this.isCancelled || failed) {
      this.finish({
        cancelled: this.isCancelled,
        failed: failed && !this.isCancelled,
        overtaken
      });
      return;
    }
    await this.put(granules.state.rows, granules.isCut);
  }

  /** What is in the basket by now stays there. */
  cancel(): void {
    this.isCancelled = true;
  }

  /** Nothing more is to be told of the last one. */
  forget(): void {
    if (this.state.outcome) {
      this.set({ outcome: null });
    }
  }

  private async put(granules: readonly IGranule[], beyond: boolean): Promise<void> {
    const full = granules.filter(granule => granule.files > 0);
    // one that is there for another area would be cut to that one
    const fresh = full.map(one => this.itemOf(one)).filter(one => this.isNews(one));
    const again = fresh.filter(({ collection, id }) => this.basket.has(collection, id));
    const told = {
      empty: granules.length - full.length,
      changed: again.length,
      already: full.length - fresh.length,
      beyond
    };
    let added = 0;
    this.tell('adding', 0, fresh.length);
    while (added < fresh.length && !this.isCancelled) {
      const items = fresh.slice(added, added + AT_ONCE);
      await this.basket.add(items, this.granules.criteria.state);
      if (this.basket.state.error) {
        this.finish({ ...told, changed: 0, added, failed: true });
        return;
      }
      added += items.length;
      this.tell('adding', added, fresh.length);
    }
    if (added < fresh.length) {
      this.finish({ ...told, changed: 0, added, cancelled: true });
    } else {
      this.finish({ ...told, added: added - again.length });
    }
  }

  private isNews({ collection, id, cut }: IBasketItem): boolean {
    const there = this.basket.find(collection, id);
    return !there || JSON.stringify(sidesOf(there.cut)) !== JSON.stringify(sidesOf(cut));
  }

  private itemOf(granule: IGranule): IBasketItem {
    const { collection, id, size, files } = granule;
    const { bbox, start, end } = this.granules.criteria.state;
    return {
      catalogue: this.granules.catalogue,
      collection,
      id,
      title: granule.title || id,
      collection_title: this.titles[collection] ?? '',
      size,
      files,
      assets: null,
      cut: bbox || start || end ? { bbox, start, end } : null
    };
  }

  private tell(phase: IAddState['phase'], done: number, of: number | null): void {
    this.set({ phase, done, of, outcome: null });
  }

  private finish(part: Partial<IOutcome>): void {
    const outcome = {
      added: 0,
      changed: 0,
      already: 0,
      empty: 0,
      beyond: false,
      cancelled: false,
      failed: false,
      overtaken: false,
      ...part
    };
    this.set({ phase: 'idle', outcome });
  }

  private onBasket(): void {
    // it was ordered, or emptied
    if (!this.basket.count) {
      this.forget();
    }
  }

  private isCancelled = false;
}

function sidesOf(cut: ICut | null) {
  return cut ? [cut.bbox, cut.start, cut.end] : null;
}
