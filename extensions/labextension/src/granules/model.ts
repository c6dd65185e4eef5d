import { ApiError, IApi, isAborted } from '../api';
import type { IFootprint } from '../map/seaMap';
import { Model } from '../model/base';
import { CriteriaModel } from '../model/search';
import { IGranule } from '../types';
import { actionOf, IKey, ListAction, ranged, toggled } from './selection';
import { ColumnName, ISort, isRemote, sortbyOf, sorted, turned } from './sorting';

/** Granules of a page: the first is small, so that something is seen soon. */
export const FIRST = 200;
export const PAGE = 1000;
/** More than that nobody scrolls through, and no order takes. */
export const MOST = 20000;

export interface IGranulesState {
  /** As they are shown. */
  rows: readonly IGranule[];
  /** Of the same granules for the map, which does not care for their order. */
  footprints: readonly IFootprint[];
  /** `first`: nothing of this search is there yet; `more`: a further page is on its way. */
  loading: 'first' | 'more' | null;
  error: ApiError | null;
  matched: number | null;
  matchedText: string;
  next: string | null;
  sort: ISort | null;
  selected: ReadonlySet<string>;
  /** Key of the granule in focus, whose details are shown. */
  focused: string | null;
  /** Grows with each new search. */
  generation: number;
}

const NOTHING: IGranulesState = {
  rows: [],
  footprints: [],
  loading: null,
  error: null,
  matched: null,
  matchedText: '',
  next: null,
  sort: null,
  selected: new Set(),
  focused: null,
  generation: 0
};

export function keyOf(granule: { collection: string; id: string }): string {
  return `${granule.collection}\n${granule.id}`;
}

/** Granules of some data sets: pages as they are asked for, their order, and what is selected. */
export class GranulesModel extends Model<IGranulesState> {
  /** `catalogue` is asked for each time, as the setting may change. */
  constructor(
    private readonly api: IApi,
    readonly collections: string[],
    readonly criteria: CriteriaModel,
    private readonly catalogueOf: () => string = () => ''
  ) {
    super(NOTHING);
    criteria.changed.connect(this.onCriteria, this);
  }

  override dispose(): void {
    this.criteria.changed.disconnect(this.onCriteria, this);
    this.running?.abort();
    super.dispose();
  }

  /** Where the rows are from. */
  get catalogue(): string {
    return this.from;
  }

  /** Whether all that match are there. */
  get isComplete(): boolean {
    return !this.state.loading && !this.state.error && !this.state.next && this.asked;
  }

  /** Whether no more are loaded though there are more. */
  get isCut(): boolean {
    return this.state.next !== null && this.state.rows.length >= MOST;
  }

  indexOf(key: string | null): number {
    return key === null ? -1 : (this.places.get(key) ?? -1);
  }

  get(key: string): IGranule | undefined {
    return this.state.rows[this.indexOf(key)];
  }

  /** Ask anew. What is selected stays selected as far as it is found again. */
  async reload(): Promise<void> {
    this.running?.abort();
    this.running = null;
    this.from = this.catalogueOf();
    this.set({ loading: 'first', error: null, next: null });
    this.pending = this.take(FIRST, true);
    await this.pending;
  }

  /** One page more, or wait for the one that is on its way. Returns whether there are more. */
  async more(limit = PAGE): Promise<boolean> {
    if (!this.running && this.state.next !== null && !this.isCut) {
      this.set({ loading: 'more', error: null });
      this.pending = this.take(limit, false);
    }
    await this.pending;
    return !this.state.error && this.state.next !== null && !this.isCut;
  }

  /** Again, what failed. */
  retry(): Promise<unknown> {
    return this.asked ? this.more() : this.reload();
  }

  sortBy(column: ColumnName): void {
    if (!this.canSort(column)) {
      return;
    }
    const sort = turned(this.state.sort, column);
    if (this.isComplete) {
      this.arrange(sorted(this.state.rows, sort));
      this.set({ sort, rows: this.ordered });
    } else {
      this.set({ sort });
      void this.reload();
    }
  }

  /** The rest decides what is first, unless the catalogue sorts. */
  canSort(column: ColumnName): boolean {
    return this.isComplete || isRemote(column);
  }

  focus(key: string | null): void {
    this.set({ focused: key });
    this.anchor = key;
  }

  toggle(key: string): void {
    this.anchor = key;
    this.set({ selected: toggled(this.state.selected, key), focused: key });
  }

  /** Select from where the last one was selected to this one. */
  extend(key: string): void {
    const [from, to] = [this.indexOf(this.anchor), this.indexOf(key)];
    if (to >= 0) {
      const { rows, selected } = this.state;
      const keys = (index: number) => keyOf(rows[index]);
      this.set({
        selected: ranged(selected, keys, from < 0 ? to : from, to),
        focused: key
      });
    }
  }

  /** All that is loaded. */
  selectAll(): void {
    this.set({ selected: new Set(this.places.keys()) });
  }

  selectNone(): void {
    this.set({ selected: new Set() });
  }

  get selection(): IGranule[] {
    return this.state.rows.filter(granule => this.state.selected.has(keyOf(granule)));
  }

  /** Do what a key asks for; `page` rows are seen. Null: the key means nothing here. */
  press(event: IKey, page: number): ListAction {
    const { rows, focused } = this.state;
    const index = Math.max(0, this.indexOf(focused));
    const action = actionOf(event, index, rows.length, page);
    if (action?.kind === 'move') {
      const key = keyOf(rows[action.to]);
      if (action.extend) {
        this.anchor ??= focused ?? keyOf(rows[index]);
        this.extend(key);
      } else {
        this.focus(key);
      }
    } else if (action?.kind === 'toggle') {
      this.toggle(keyOf(rows[index]));
    } else if (action?.kind === 'all') {
      this.selectAll();
    } else if (action?.kind === 'open') {
      this.focus(keyOf(rows[index]));
    }
    return action;
  }

  /** Ask for a page; an answer that was overtaken changes nothing. */
  private async take(limit: number, first: boolean): Promise<void> {
    const running = new AbortController();
    this.running = running;
    if (first) {
      this.asked = false;
    }
    try {
      const page = await this.api.granules(
        {
          criteria: this.criteria.state,
          catalogue: this.from,
          collections: this.collections,
          sortby: sortbyOf(this.state.sort),
          limit,
          next: first ? null : this.state.next
        },
        running.signal
      );
      if (this.running !== running) {
        return;
      }
      this.running = null;
      this.accept(page.granules, first);
      this.asked = true;
      this.set({
        rows: this.ordered,
        footprints: this.drawn,
        loading: null,
        // a page of nothing new would be asked for without end
        next: page.granules.length ? page.next : null,
        ...(first
          ? {
              matched: page.matched,
              matchedText: page.matched_text,
              generation: this.state.generation + 1,
              ...this.kept()
            }
          : {})
      });
    } catch (error) {
      if (this.running !== running) {
        return;
      }
      this.running = null;
      if (first) {
        this.arrange([]);
      }
      this.set({
        loading: null,
        error: isAborted(error) ? null : (error as ApiError),
        ...(first
          ? {
              rows: [],
              footprints: [],
              matched: null,
              matchedText: '',
              selected: new Set()
            }
          : {})
      });
    }
  }

  private accept(granules: IGranule[], first: boolean): void {
    if (first) {
      this.arrange([]);
      this.drawn = [];
    }
    const fresh = granules.filter(granule => {
      const key = keyOf(granule);
      const known = this.places.has(key);
      if (!known) {
        this.places.set(key, this.places.size);
      }
      return !known;
    });
    this.ordered = [...this.ordered, ...fresh];
    this.drawn = [
      ...this.drawn,
      ...fresh.map(one => ({ key: keyOf(one), bbox: one.bbox, shape: one.shape }))
    ];
  }

  private arrange(rows: IGranule[]): void {
    this.ordered = rows;
    this.places = new Map(rows.map((granule, index) => [keyOf(granule), index]));
  }

  /** Of what was selected and in focus, what is still there. A sort by what is not, is none. */
  private kept(): Partial<IGranulesState> {
    const { selected, focused, sort } = this.state;
    return {
      selected: new Set([...selected].filter(key => this.places.has(key))),
      focused: focused !== null && this.places.has(focused) ? focused : null,
      sort: sort && isRemote(sort.column) ? sort : null
    };
  }

  private onCriteria(): void {
    void this.reload();
  }

  private running: AbortController | null = null;
  private pending: Promise<void> = Promise.resolve();
  private asked = false;
  private from = '';
  private anchor: string | null = null;
  private ordered: IGranule[] = [];
  private drawn: IFootprint[] = [];
  private places = new Map<string, number>();
}
