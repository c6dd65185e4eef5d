import { CriteriaModel, criteriaOf, isBox } from '../model/search';

describe('criteria', () => {
  it('are forgotten where what was kept makes no sense', () => {
    expect(criteriaOf('x')).toBeNull();
    const kept = { q: 3, bbox: [1, 2, 3], facets: { parameter: ['a'], no: ['b'] } };
    expect(criteriaOf(kept)).toEqual({
      q: '',
      bbox: null,
      start: null,
      end: null,
      facets: { parameter: ['a'] }
    });
  });

  it('have boxes across the antimeridian, and none upside down', () => {
    expect(isBox([170, -20, -170, 0])).toBe(true);
    expect(isBox([0, 10, 5, 0])).toBe(false);
    expect(isBox([0, 0, 190, 5])).toBe(false);
  });

  it('lose a facet whose last value goes', () => {
    const model = new CriteriaModel();
    model.toggle('parameter', 'TEMP');
    expect(model.state.facets).toEqual({ parameter: ['TEMP'] });
    model.toggle('parameter', 'TEMP');
    expect(model.state.facets).toEqual({});
  });
});
