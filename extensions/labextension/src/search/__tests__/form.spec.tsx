import { nullTranslator } from '@jupyterlab/translation';
import { act, fireEvent, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { IApi } from '../../api';
import { CriteriaModel } from '../../model/search';
import { Box, ICriteria, NO_CRITERIA } from '../../types';
import { BoxFields } from '../boxFields';
import { readBox } from '../boxText';
import { chipsOf } from '../criteria';
import { Facets } from '../facets';
import { SearchModel } from '../model';
import { Chips } from '../states';
import { TextField } from '../textField';
import { Time } from '../time';
import { faultOfDays, periodOf, presets } from '../times';

const trans = nullTranslator.load('x');
const user = userEvent.setup();

const FACETS = {
  counted: 1000,
  partial: true,
  facets: {
    parameter: Array.from({ length: 9 }, (_, index) => ({
      value: `P${index}`,
      title: `Temperature ${index}`,
      count: 100 - index
    })),
    platform: [{ value: 'float', title: '<b>Float</b>', count: 7 }]
  }
};

function models(initial: Partial<ICriteria> = {}) {
  const criteria = new CriteriaModel({ ...NO_CRITERIA, ...initial });
  const api = {
    facets: jest.fn(async () => FACETS),
    collections: jest.fn(async () => ({
      collections: [],
      matched: 0,
      matched_text: '0',
      next: null
    }))
  };
  const model = new SearchModel(api as unknown as IApi, criteria);
  return { criteria, model, api };
}

describe('the text field', () => {
  async function begin() {
    const all = models();
    render(<TextField {...all} trans={trans} />);
    const field = screen.getByRole('combobox', { name: 'Search marine data' });
    await user.click(field);
    return { ...all, field };
  }

  it('suggests what begins so, and picks by keyboard', async () => {
    const { criteria, field } = await begin();
    expect(field.getAttribute('aria-expanded')).toBe('false');
    await user.keyboard('temp');
    expect(criteria.state.q).toBe('temp');
    expect(field.getAttribute('aria-expanded')).toBe('true');
    expect(screen.getAllByRole('option')).toHaveLength(8);
    // nothing is chosen until somebody chooses
    expect(field.hasAttribute('aria-activedescendant')).toBe(false);
    await user.keyboard('{ArrowDown}{ArrowDown}');
    const active = document.getElementById(field.getAttribute('aria-activedescendant')!)!;
    expect(active.textContent).toContain('Temperature 1');
    expect(active.getAttribute('aria-selected')).toBe('true');
    await user.keyboard('{Enter}');
    expect(criteria.state).toMatchObject({ q: '', facets: { parameter: ['P1'] } });
    expect(field.getAttribute('aria-expanded')).toBe('false');
    expect(document.activeElement).toBe(field);
  });

  it('comes round to the text, from below too', async () => {
    const { field } = await begin();
    await user.keyboard('temp{ArrowUp}');
    const id = field.getAttribute('aria-activedescendant')!;
    expect(document.getElementById(id)!.textContent).toContain('Temperature 7');
    await user.keyboard('{ArrowDown}');
    expect(field.hasAttribute('aria-activedescendant')).toBe(false);
  });

  it('searches for the words on Enter, and is closed and emptied by Escape', async () => {
    const { criteria, field, api } = await begin();
    await user.keyboard('temp{Enter}');
    expect(api.collections).toHaveBeenCalledTimes(1);
    expect(field.getAttribute('aria-expanded')).toBe('false');
    await user.keyboard('e{Escape}');
    expect(criteria.state.q).toBe('tempe');
    expect(field.getAttribute('aria-expanded')).toBe('false');
    await user.keyboard('{Escape}');
    expect(criteria.state.q).toBe('');
  });

  it('picks by pointer, and does not take away what was chosen before', async () => {
    const { criteria } = await begin();
    act(() => criteria.toggle('platform', 'float'));
    await user.keyboard('b');
    // the title is text: `<b>` begins with its letter b
    await user.click(screen.getByRole('option', { name: /<b>Float<\/b>/ }));
    expect(criteria.state.facets).toEqual({ platform: ['float'] });
  });
});

describe('the fields of a box', () => {
  const onBox = jest.fn();
  beforeEach(() => onBox.mockReset());
  const field = (name: string) => screen.getByRole('textbox', { name });
  const fill = async (...values: string[]) => {
    for (const [at, name] of ['West', 'South', 'East', 'North'].entries()) {
      await user.clear(field(name));
      if (values[at]) {
        await user.type(field(name), values[at]);
      }
    }
  };

  it('are a box when all are right', async () => {
    render(<BoxFields box={null} onBox={onBox} trans={trans} />);
    await fill('-10,5', '30', '40', '45.25');
    expect(onBox).not.toHaveBeenCalled();
    await user.keyboard('{Enter}');
    expect(onBox).toHaveBeenLastCalledWith([-10.5, 30, 40, 45.25]);
  });

  it('are a box when they are left', async () => {
    render(<BoxFields box={null} onBox={onBox} trans={trans} />);
    await fill('1', '2', '3', '4');
    await user.tab();
    expect(onBox).toHaveBeenCalledTimes(1);
  });

  it('are a box after a pause, but nobody is corrected while typing', () => {
    jest.useFakeTimers();
    render(<BoxFields box={[1, 2, 3, 4]} onBox={onBox} trans={trans} />);
    fireEvent.change(field('West'), { target: { value: '-' } });
    act(() => jest.advanceTimersByTime(1000));
    expect(screen.queryByRole('alert')).toBeNull();
    expect(onBox).not.toHaveBeenCalled();
    fireEvent.change(field('West'), { target: { value: '-1' } });
    act(() => jest.advanceTimersByTime(1000));
    expect(onBox).toHaveBeenLastCalledWith([-1, 2, 3, 4]);
    jest.useRealTimers();
  });

  it('say what is wrong at the field where it is', async () => {
    render(<BoxFields box={null} onBox={onBox} trans={trans} />);
    await fill('200', 'x', '', '91');
    await user.tab();
    expect(onBox).not.toHaveBeenCalled();
    const said = (name: string) =>
      document.getElementById(field(name).getAttribute('aria-describedby')!)!.textContent;
    expect(said('West')).toContain('200 is -160');
    expect(said('South')).toContain('Write degrees as a number');
    expect(said('East')).toContain('Fill this in');
    expect(said('North')).toContain('From -90 to 90');
    expect(field('North').getAttribute('aria-invalid')).toBe('true');
  });

  it('say that a box crosses the antimeridian', () => {
    render(<BoxFields box={[170, -10, -170, 10]} onBox={onBox} trans={trans} />);
    expect(screen.getByText(/crosses the antimeridian/)).toBeTruthy();
  });

  it('follow the map, and are emptied for no box', async () => {
    const show = (box: Box | null) => <BoxFields box={box} onBox={onBox} trans={trans} />;
    const { rerender } = render(show([1, 2, 3, 4]));
    rerender(show([5, 6, 7, 8]));
    expect((field('East') as HTMLInputElement).value).toBe('7');
    await fill();
    await user.tab();
    expect(onBox).toHaveBeenLastCalledWith(null);
    rerender(show(null));
    expect((field('East') as HTMLInputElement).value).toBe('');
  });

  it('are not upside down', () => {
    const read = readBox({ west: '0', south: '10', east: '5', north: '0' }, trans);
    expect(read.box).toBeNull();
    expect(read.errors.north).toBe('North is less than south.');
  });
});

describe('time', () => {
  it('is from and to, and says if it is the wrong way round', () => {
    const { criteria } = models();
    render(<Time criteria={criteria} trans={trans} />);
    const from = screen.getByLabelText('From');
    fireEvent.change(from, { target: { value: '2020-05-01' } });
    expect(criteria.state).toMatchObject({ start: '2020-05-01', end: null });
    fireEvent.change(screen.getByLabelText('To'), { target: { value: '2019-01-01' } });
    expect(screen.getByRole('alert').textContent).toContain('before the first');
    expect(from.getAttribute('aria-invalid')).toBe('true');
    expect(criteria.state.end).toBeNull();
  });

  it('waits for the end of a year that is typed', () => {
    const { criteria } = models();
    render(<Time criteria={criteria} trans={trans} />);
    fireEvent.change(screen.getByLabelText('From'), { target: { value: '0020-05-01' } });
    expect(screen.queryByRole('alert')).toBeNull();
    expect(criteria.state.start).toBeNull();
    fireEvent.blur(screen.getByLabelText('From'));
    expect(screen.getByRole('alert').textContent).toContain('four digits');
  });

  it('has presets with their dates', async () => {
    const { criteria } = models({ start: '1950-01-01' });
    render(<Time criteria={criteria} trans={trans} />);
    const list = screen.getByRole('combobox', { name: 'Often wanted ranges' });
    expect((list as HTMLSelectElement).value).toBe('');
    await user.selectOptions(list, 'ten');
    expect(criteria.state.start?.slice(0, 4)).toBe(
      String(new Date().getUTCFullYear() - 10)
    );
    await user.selectOptions(list, 'any');
    expect(criteria.state).toMatchObject({ start: null, end: null });
  });

  it('of presets follows the calendar', () => {
    const dates = Object.fromEntries(
      presets(trans, new Date('2026-11-21T23:00:00Z')).map(one => [
        one.id,
        `${one.start} ${one.end}`
      ])
    );
    expect(dates).toEqual({
      any: 'null null',
      month: '2026-10-22 2026-11-21',
      year: '2025-11-21 2026-11-21',
      ten: '2016-11-21 2026-11-21',
      decade: '2020-01-01 2026-11-21',
      before: '2010-01-01 2019-12-31'
    });
  });

  it('is said with one end or both', () => {
    expect(periodOf('2020-01-01T00:00:00Z', null, trans)).toBe('from 2020-01-01');
    expect(periodOf(null, '2020-01-01', trans)).toBe('until 2020-01-01');
    expect(periodOf('2020-01-01', '2020-01-01', trans)).toBe('2020-01-01');
    expect(faultOfDays('2020-01-01', '2020-01-01', trans)).toBe('');
  });
});

describe('facets', () => {
  it('show the most, more on demand, and always what is chosen', async () => {
    const { criteria, model } = models({ facets: { parameter: ['P8', 'gone'] } });
    await model.search();
    render(<Facets criteria={criteria} model={model} trans={trans} />);
    const group = screen.getByRole('group', { name: 'Parameter' });
    const names = () =>
      [...group.querySelectorAll('input')].map(
        one => `${one.parentElement!.textContent}${one.checked ? ' ✓' : ''}`
      );
    expect(names()).toEqual([
      'gone ✓',
      'Temperature 0100',
      'Temperature 199',
      'Temperature 298',
      'Temperature 397',
      'Temperature 496',
      'Temperature 892 ✓'
    ]);
    await user.click(screen.getByRole('button', { name: '3 more' }));
    expect(names()).toHaveLength(10);
    await user.click(screen.getByRole('checkbox', { name: /Temperature 0/ }));
    expect(criteria.state.facets.parameter).toContain('P0');
    expect(screen.getByText(/1,000 newest granules/)).toBeTruthy();
    expect(screen.getByText('<b>Float</b>')).toBeTruthy();
  });
});

describe('what is asked for', () => {
  it('is shown piece by piece, each with a button to take it away', async () => {
    const { criteria, model } = models({
      q: 'ice',
      bbox: [-7, 30, 37, 46],
      start: '2020-01-01',
      facets: { parameter: ['P1', 'P2'] }
    });
    await model.search();
    const chips = () => chipsOf(criteria.state, model.state.vocabulary, trans);
    const show = () => <Chips chips={chips()} criteria={criteria} trans={trans} />;
    const { rerender } = render(show());
    expect(chips().map(chip => `${chip.kind}: ${chip.text}`)).toEqual([
      'Text: “ice”',
      'Area: Mediterranean Sea',
      'Time: from 2020-01-01',
      'Parameter: Temperature 1',
      'Parameter: Temperature 2'
    ]);
    await user.click(
      screen.getByRole('button', { name: 'Remove Parameter: Temperature 1' })
    );
    expect(criteria.state.facets).toEqual({ parameter: ['P2'] });
    rerender(show());
    await user.click(screen.getByRole('button', { name: /Remove Area/ }));
    expect(criteria.state.bbox).toBeNull();
    await user.click(screen.getByRole('button', { name: 'Clear all' }));
    expect(criteria.state).toEqual(NO_CRITERIA);
    rerender(show());
    expect(screen.queryByRole('list')).toBeNull();
  });
});
