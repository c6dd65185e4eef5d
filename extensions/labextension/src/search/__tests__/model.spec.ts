import { ApiError, IApi } from '../../api';
import { CriteriaModel } from '../../model/search';
import { ICollection, ICollectionsPage, IFacets, ISearchRequest } from '../../types';
import { BATCH, PAUSE, SearchModel } from '../model';

const collection = (id: string): ICollection => ({
  id,
  title: id,
  description: '',
  infrastructure: '',
  parameters: [],
  keywords: [],
  boxes: [],
  start: null,
  end: null,
  licence: { id: '', title: '', url: '' },
  doi: '',
  url: ''
});

const page = (ids: string[], next: string | null = null): ICollectionsPage => ({
  collections: ids.map(collection),
  matched: ids.length,
  matched_text: String(ids.length),
  next
});

/** A server whose answers come when the test says so. */
class Server {
  asked: {
    request: ISearchRequest;
    signal: AbortSignal;
    answer: (page: ICollectionsPage) => void;
    fail: (error: unknown) => void;
  }[] = [];
  matches = jest.fn(async (request: ISearchRequest) =>
    Object.fromEntries(
      request.collections!.map(id => [id, { count: id.length, text: '' }])
    )
  );
  facets = jest.fn<Promise<IFacets>, [ISearchRequest]>(async () => ({
    counted: 1,
    partial: false,
    facets: { parameter: [{ value: 'TEMP', title: 'Temperature', count: 3 }] }
  }));
  collections = (request: ISearchRequest, signal: AbortSignal) =>
    new Promise<ICollectionsPage>((answer, fail) => {
      signal.addEventListener('abort', () => fail(new DOMException('', 'AbortError')));
      this.asked.push({ request, signal, answer, fail });
    });

  get last() {
    return this.asked[this.asked.length - 1];
  }
}

let server: Server;
let criteria: CriteriaModel;
let model: SearchModel;
const soon = () => jest.advanceTimersByTimeAsync(0);

beforeEach(() => {
  jest.useFakeTimers();
  server = new Server();
  criteria = new CriteriaModel();
  model = new SearchModel(server as unknown as IApi, criteria, () => 'https://a.test');
});

afterEach(() => {
  model.dispose();
  jest.useRealTimers();
});

describe('a search', () => {
  it('begins with all data sets of the catalogue of the settings', async () => {
    model.start();
    model.start();
    expect(server.asked).toHaveLength(1);
    expect(server.last.request).toMatchObject({ catalogue: 'https://a.test' });
    expect(model.state.searching).toBe(true);
    server.last.answer(page(['a', 'b']));
    await soon();
    expect(model.state.collections.map(one => one.id)).toEqual(['a', 'b']);
    expect(model.state.searching).toBe(false);
    expect(model.state.facets?.counted).toBe(1);
  });

  it('waits until typing pauses, and asks once', async () => {
    model.start();
    for (const q of ['t', 'te', 'tem']) {
      criteria.change({ q });
      await jest.advanceTimersByTimeAsync(PAUSE - 1);
    }
    expect(server.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(server.asked).toHaveLength(2);
    expect(server.last.request.criteria.q).toBe('tem');
  });

  it('gives up the one before, and keeps what is shown until the answer', async () => {
    model.start();
    server.last.answer(page(['a']));
    await soon();
    criteria.change({ q: 'x' });
    await jest.advanceTimersByTimeAsync(PAUSE);
    const before = server.last;
    criteria.change({ q: 'xy' });
    await jest.advanceTimersByTimeAsync(PAUSE);
    expect(before.signal.aborted).toBe(true);
    expect(model.state.error).toBeNull();
    expect(model.state.collections.map(one => one.id)).toEqual(['a']);
    expect(model.state.searching).toBe(true);
  });

  it('never shows an answer to an earlier question', async () => {
    // a server that does not notice being given up
    const answers: ((found: ICollectionsPage) => void)[] = [];
    const deaf = {
      ...server,
      collections: () => new Promise(resolve => answers.push(resolve)),
      facets: server.facets
    };
    const other = new SearchModel(deaf as unknown as IApi, criteria);
    other.start();
    criteria.change({ q: 'new' });
    await jest.advanceTimersByTimeAsync(PAUSE);
    answers[1](page(['new']));
    await soon();
    answers[0](page(['old']));
    await soon();
    expect(other.state.collections.map(one => one.id)).toEqual(['new']);
    expect(other.state.answered?.q).toBe('new');
    other.dispose();
  });

  it('that failed says why, and can be tried again', async () => {
    model.start();
    server.last.fail(new ApiError(503, 'The catalogue is down.', 'Wait.'));
    await soon();
    expect((model.state.error as ApiError).reason).toBe('The catalogue is down.');
    expect(model.state.searching).toBe(false);
    void model.search();
    server.last.answer(page(['a']));
    await soon();
    expect(model.state.error).toBeNull();
    expect(model.state.collections).toHaveLength(1);
  });

  it('works where facets do not', async () => {
    server.facets.mockRejectedValue(new ApiError(500, 'x', ''));
    model.start();
    server.last.answer(page(['a']));
    await soon();
    expect(model.state.collections).toHaveLength(1);
    expect(model.state.facetsError).toBeInstanceOf(ApiError);
  });

  it('ends with its model', async () => {
    model.start();
    const { signal } = server.last;
    criteria.change({ q: 'a' });
    model.dispose();
    expect(signal.aborted).toBe(true);
    await jest.advanceTimersByTimeAsync(PAUSE * 2);
    expect(server.asked).toHaveLength(1);
  });
});

describe('pages', () => {
  const begin = async () => {
    model.start();
    server.last.answer(page(['a', 'b'], 'n1'));
    await soon();
  };

  it('follow each other, without repeating a data set', async () => {
    await begin();
    void model.more();
    void model.more();
    expect(server.asked).toHaveLength(2);
    expect(server.last.request.next).toBe('n1');
    server.last.answer(page(['b', 'c']));
    await soon();
    expect(model.state.collections.map(one => one.id)).toEqual(['a', 'b', 'c']);
    expect(model.state.next).toBeNull();
    await model.more();
    expect(server.asked).toHaveLength(2);
  });

  it('of an earlier search are not added to a later one', async () => {
    await begin();
    void model.more();
    const late = server.last;
    void model.search();
    server.last.answer(page(['z']));
    late.answer(page(['c']));
    await soon();
    expect(model.state.collections.map(one => one.id)).toEqual(['z']);
    expect(model.state.loadingMore).toBe(false);
  });

  it('that fail leave what is there', async () => {
    await begin();
    void model.more();
    server.last.fail(new ApiError(500, 'no', ''));
    await soon();
    expect(model.state.collections).toHaveLength(2);
    expect(model.state.moreError).toBeInstanceOf(ApiError);
    expect(model.state.error).toBeNull();
  });
});

describe('counting what matches', () => {
  const many = Array.from({ length: BATCH + 2 }, (_, index) => 'x'.repeat(index + 1));

  it('is asked together, in batches, and once', async () => {
    model.start();
    server.last.answer(page(many));
    await soon();
    many.forEach(id => model.count(id));
    many.forEach(id => model.count(id));
    await jest.advanceTimersByTimeAsync(100);
    expect(server.matches.mock.calls.map(([request]) => request.collections)).toEqual([
      many.slice(0, BATCH),
      many.slice(BATCH)
    ]);
    expect(model.state.matches['xxx'].count).toBe(3);
  });

  it('that fails is unknown, not zero', async () => {
    server.matches.mockRejectedValue(new ApiError(500, 'x', ''));
    model.start();
    server.last.answer(page(['a']));
    await soon();
    model.count('a');
    await jest.advanceTimersByTimeAsync(100);
    expect(model.state.matches['a']).toEqual({ count: null, text: '' });
  });

  it('of an earlier search is forgotten', async () => {
    let answer: (found: any) => void = () => undefined;
    server.matches.mockReturnValueOnce(new Promise(resolve => (answer = resolve)));
    model.start();
    server.last.answer(page(['a']));
    await soon();
    model.count('a');
    await jest.advanceTimersByTimeAsync(100);
    criteria.change({ q: 'new' });
    await jest.advanceTimersByTimeAsync(PAUSE);
    server.last.answer(page(['a']));
    await soon();
    answer({ a: { count: 99, text: '' } });
    await soon();
    expect(model.state.matches).toEqual({});
    model.count('a');
    await jest.advanceTimersByTimeAsync(100);
    expect(model.state.matches['a'].count).toBe(1);
  });
});

describe('suggestions', () => {
  it('are learnt once, and asked for again if that failed', async () => {
    server.facets.mockRejectedValueOnce(new ApiError(500, 'x', ''));
    await model.loadVocabulary();
    await model.loadVocabulary();
    await model.loadVocabulary();
    expect(server.facets).toHaveBeenCalledTimes(2);
    expect(server.facets.mock.calls[1][0].criteria.q).toBe('');
    expect(model.state.vocabulary.parameter?.[0].value).toBe('TEMP');
  });

  it('and results go with the catalogue that they were of', async () => {
    model.start();
    server.last.answer(page(['a']));
    await soon();
    model.forget();
    expect(model.state.collections).toEqual([]);
    expect(model.state.answered).toBeNull();
    expect(server.asked).toHaveLength(2);
  });
});
