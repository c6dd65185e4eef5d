import { suggestions } from '../suggest';

const vocabulary = {
  parameter: [
    { value: 'TEMP', title: 'Sea surface temperature', count: 5 },
    { value: 'TPOT', title: 'Température potentielle', count: 1 },
    { value: 'PSAL', title: 'Practical salinity', count: 50 }
  ],
  platform: [{ value: 'float', title: 'Argo float (temperature)', count: 9 }],
  licence: [{ value: 'T', title: 'Temporary licence', count: 99 }]
};
const found = (text: string) => suggestions(text, vocabulary).map(one => one.value);

describe('suggestions', () => {
  it('begin at any word, those that begin so first, then the most used', () => {
    expect(found('temp')).toEqual(['TPOT', 'float', 'TEMP']);
    expect(found('Surface Te')).toEqual(['TEMP']);
  });

  it('do not mind accents, capitals or spaces', () => {
    expect(found(' TEMPÉRA')).toEqual(['TPOT', 'float', 'TEMP']);
  });

  it('know the codes, and not the middle of a word', () => {
    expect(found('psal')).toEqual(['PSAL']);
    expect(found('linity')).toEqual([]);
    expect(found('')).toEqual([]);
    expect(found('(')).toEqual([]);
  });
});
