import { ApiError, IApi, isAborted } from '../api';
import { Model } from '../model/base';
import { CriteriaModel } from '../model/search';
import {
  FACETS,
  FacetName,
  ICollection,
  ICriteria,
  IFacetValue,
  IFacets,
  IMatches,
  NO_CRITERIA
} from '../types';

/** Milliseconds without a key press after which a search begins. */
export const PAUSE = 120;
/** Data sets per page. */
export const PAGE = 20;
/** Data sets whose granules are counted in one request. */
export const BATCH = 10;

export interface ISearchState {
  /** Of the last search that was answered: they stay until the next answer. */
  collections: ICollection[];
  matched: number | null;
  matchedText: string;
  next: string | null;
  /** What these are an answer to; null while nothing was answered. */
  answered: ICriteria | null;
  searching: boolean;
  loadingMore: boolean;
  error: unknown;
  /** Of the next page. */
  moreError: unknown;
  facets: IFacets | null;
  facetsError: unknown;
  /** Granules per data set; what is not in here was not asked for or not answered yet. */
  matches: IMatches;
  /** All values of facets that were seen, to suggest while somebody types. */
  vocabulary: Partial<Record<FacetName, IFacetValue[]>>;
}

const NOTHING: ISearchState = {
  collections: [],
  matched: null,
  matchedText: '',
  next: null,
  answered: null,
  searching: false,
  loadingMore: false,
  error: null,
  moreError: null,
  facets: null,
  facetsError: null,
  matches: {},
  vocabulary: {}
};

/** Step 1 of the search: data sets, their facets, and how many granules of each match. */
export class SearchModel extends Model<ISearchState> {
  /** `catalogue`: address of a STAC API in the person's settings; empty for the configured one. */
  constructor(
    private readonly api: IApi,
    private readonly criteria: CriteriaModel,
    private readonly catalogue: () => string = () => ''
  ) {
    super(NOTHING);
  }

  /** Search now, and whenever the criteria change. */
  start(): void {
    if (!this.started) {
      this.started = true;
      this.criteria.changed.connect(this.later, this);
      void this.search();
    }
  }

  override dispose(): void {
    window.clearTimeout(this.clock);
    window.clearTimeout(this.counting);
    this.running.abort();
    super.dispose();
  }

  /** Search without waiting, from the first page. Raises nothing: see `error`. */
  async search(): Promise<void> {
    window.clearTimeout(this.clock);
    this.running.abort();
    const running = (this.running = new AbortController());
    const criteria = this.criteria.state;
    this.set({ searching: true, loadingMore: false, moreError: null });
    void this.loadFacets(criteria, running);
    try {
      const page = await this.api.collections(this.request(criteria), running.signal);
      if (this.running !== running) {
        return;
      }
      this.wanted.clear();
      this.set({
        collections: page.collections,
        matched: page.matched,
        matchedText: page.matched_text,
        next: page.next,
        answered: criteria,
        matches: {},
        searching: false,
        error: null
      });
    } catch (error) {
      if (this.running === running && !isAborted(error)) {
        this.set({ searching: false, error });
      }
    }
  }

  /** The next page, after those that are there. Raises nothing: see `moreError`. */
  async more(): Promise<void> {
    const { next, answered, loadingMore, searching } = this.state;
    if (!next || !answered || loadingMore || searching) {
      return;
    }
    const running = this.running;
    this.set({ loadingMore: true, moreError: null });
    try {
      const page = await this.api.collections(
        { ...this.request(answered), next },
        running.signal
      );
      if (this.running === running) {
        const here = new Set(this.state.collections.map(one => one.id));
        this.set({
          // a catalogue that changes between two pages may repeat one
          collections: [
            ...this.state.collections,
            ...page.collections.filter(one => !here.has(one.id))
          ],
          next: page.next,
          loadingMore: false
        });
      }
    } catch (error) {
      if (this.running === running && !isAborted(error)) {
        this.set({ loadingMore: false, moreError: error });
      }
    }
  }

  /** Somebody sees this data set: count what matches of it, together with others. */
  count(id: string): void {
    if (id in this.state.matches || this.wanted.has(id)) {
      return;
    }
    this.wanted.set(id, false);
    window.clearTimeout(this.counting);
    this.counting = window.setTimeout(() => void this.countWanted(), 30);
  }

  /** What can be suggested before a search has told: all values of the catalogue, asked once. */
  async loadVocabulary(): Promise<void> {
    const catalogue = this.catalogue();
    if (this.vocabularyOf === catalogue) {
      return;
    }
    this.vocabularyOf = catalogue;
    try {
      this.learn(await this.api.facets(this.request(NO_CRITERIA)));
    } catch {
      // suggestions are a help, no more; the next focus asks again
      this.vocabularyOf = null;
    }
  }

  /** Another catalogue: what was known of the one before is worth nothing. */
  forget(): void {
    this.vocabularyOf = null;
    this.wanted.clear();
    this.set({ ...NOTHING });
    if (this.started) {
      void this.search();
    }
  }

  private later(): void {
    window.clearTimeout(this.clock);
    this.clock = window.setTimeout(() => void this.search(), PAUSE);
  }

  private request(criteria: ICriteria) {
    return { criteria, catalogue: this.catalogue(), limit: PAGE };
  }

  private async loadFacets(criteria: ICriteria, running: AbortController): Promise<void> {
    try {
      const facets = await this.api.facets(this.request(criteria), running.signal);
      if (this.running === running) {
        this.learn(facets);
        this.set({ facets, facetsError: null });
      }
    } catch (error) {
      if (this.running === running && !isAborted(error)) {
        this.set({ facetsError: error });
      }
    }
  }

  private learn({ facets }: IFacets): void {
    const vocabulary = { ...this.state.vocabulary };
    for (const name of FACETS) {
      const known = new Map(vocabulary[name]?.map(one => [one.value, one]));
      for (const one of facets[name] ?? []) {
        if (!known.has(one.value)) {
          known.set(one.value, one);
        }
      }
      vocabulary[name] = [...known.values()];
    }
    this.set({ vocabulary });
  }

  private async countWanted(): Promise<void> {
    const running = this.running;
    const { answered } = this.state;
    const ids = [...this.wanted].filter(([, asked]) => !asked).map(([id]) => id);
    const batch = ids.slice(0, BATCH);
    if (!batch.length || !answered) {
      return;
    }
    batch.forEach(id => this.wanted.set(id, true));
    let found: IMatches = {};
    try {
      found = await this.api.matches(
        { criteria: answered, catalogue: this.catalogue(), collections: batch },
        running.signal
      );
    } catch {
      // shown as unknown: the list itself is there
    }
    // the same answer for the same question only
    if (this.state.answered === answered) {
      const unknown = batch.map(id => [id, found[id] ?? { count: null, text: '' }]);
      this.set({ matches: { ...this.state.matches, ...Object.fromEntries(unknown) } });
      if (ids.length > batch.length) {
        await this.countWanted();
      }
    }
  }

  private running = new AbortController();
  /** Data sets to count, and whether they were asked for. */
  private readonly wanted = new Map<string, boolean>();
  private clock = 0;
  private counting = 0;
  private started = false;
  private vocabularyOf: string | null = null;
}

/** What can be said of any error, for who has only a reason. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.isSignedOut;
}
