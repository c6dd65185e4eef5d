import { begun } from '../code/words';

describe('words of a search', () => {
  it.each([
    ['temper', 'temper*'],
    ['sea temper', 'sea temper*'],
    ['température', 'température*'],
    ['te', 'te'],
    ['"sea temper', '"sea temper'],
    ['"sea temperature"', '"sea temperature"'],
    ['salinity -temper', 'salinity -temper'],
    ['salinity OR', 'salinity OR'],
    ['temper*', 'temper*'],
    ['', '']
  ])('%p are asked for as %p', (typed, asked) => {
    expect(begun(typed)).toBe(asked);
  });
});
