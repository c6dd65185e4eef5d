import { TranslationBundle } from '@jupyterlab/translation';
import { FormEvent, useEffect, useId, useRef, useState } from 'react';

import { Button } from '../common';
import { useModel } from '../model/base';
import { CriteriaModel, isBox } from '../model/search';
import { Box, FACETS, FacetName } from '../types';
import { limitsOf } from './format';

/** Milliseconds after the last letter. */
const PAUSE = 300;

interface IProps {
  criteria: CriteriaModel;
  trans: TranslationBundle;
}

/** What is looked for, refined for one tab: text, area and time, and the facets carried over. */
export function Refine({ criteria, trans }: IProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <form
      role="search"
      aria-label={trans.__('Refine the search')}
      className="jp-Pelagos-refine"
      onSubmit={event => event.preventDefault()}
    >
      <div className="jp-Pelagos-line">
        <Words criteria={criteria} trans={trans} />
        <Button aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
          {trans.__('Area and time')}
          <span aria-hidden="true">{open ? ' ▴' : ' ▾'}</span>
        </Button>
      </div>
      <div id={id} hidden={!open}>
        {open && <Limits criteria={criteria} trans={trans} />}
      </div>
      <Chips criteria={criteria} trans={trans} />
    </form>
  );
}

function Words({ criteria, trans }: IProps): JSX.Element {
  const { q } = useModel(criteria);
  const [text, setText] = useState(q);
  const clock = useRef(0);
  // it may be changed elsewhere
  useEffect(() => setText(q), [q]);
  useEffect(() => () => window.clearTimeout(clock.current), []);
  const onChange = (now: string, at: number) => {
    setText(now);
    window.clearTimeout(clock.current);
    clock.current = window.setTimeout(() => {
      if (now.trim() !== criteria.state.q) {
        criteria.change({ q: now.trim() });
      }
    }, at);
  };
  return (
    <input
      type="search"
      className="jp-Pelagos-input jp-Pelagos-words"
      aria-label={trans.__('Words in granules')}
      placeholder={trans.__('Words, such as a platform or station')}
      value={text}
      onChange={event => onChange(event.target.value, PAUSE)}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          onChange(text, 0);
        }
      }}
    />
  );
}

function Chips({ criteria, trans }: IProps): JSX.Element | null {
  const state = useModel(criteria);
  const names = facetNames(trans);
  const chips = limitsOf(state, trans).map(({ key, text }) => ({
    key: key as string,
    text,
    drop: () =>
      criteria.change(key === 'bbox' ? { bbox: null } : { start: null, end: null })
  }));
  for (const facet of FACETS) {
    for (const value of state.facets[facet] ?? []) {
      chips.push({
        key: `${facet}:${value}`,
        text: `${names[facet]}: ${value}`,
        drop: () => criteria.toggle(facet, value)
      });
    }
  }
  if (!chips.length) {
    return null;
  }
  return (
    <ul className="jp-Pelagos-chips" aria-label={trans.__('Searched within')}>
      {chips.map(({ key, text, drop }) => (
        <li key={key} className="jp-Pelagos-chip">
          {text}
          <button
            type="button"
            aria-label={trans.__('Remove %1', text)}
            title={trans.__('Remove')}
            onClick={drop}
          >
            ×
          </button>
        </li>
      ))}
    </ul>
  );
}

function facetNames(trans: TranslationBundle): Record<FacetName, string> {
  return {
    infrastructure: trans.__('Infrastructure'),
    parameter: trans.__('Parameter'),
    platform: trans.__('Platform'),
    instrument: trans.__('Instrument'),
    licence: trans.__('Licence')
  };
}

/** The area in numbers and the days, taken together when they are applied. */
function Limits({ criteria, trans }: IProps): JSX.Element {
  const { bbox, start, end } = useModel(criteria);
  const [sides, setSides] = useState(['', '', '', '']);
  const [days, setDays] = useState(['', '']);
  const [problem, setProblem] = useState('');
  const id = useId();
  const numbers = bbox?.join() ?? '';
  // the map and other places change them too
  useEffect(() => setSides(numbers ? numbers.split(',') : ['', '', '', '']), [numbers]);
  useEffect(() => setDays([dayOf(start), dayOf(end)]), [start, end]);

  const apply = (event: FormEvent | null) => {
    event?.preventDefault();
    const box = boxOf(sides);
    if (box === undefined) {
      setProblem(
        trans.__(
          'An area needs all four sides: west and east from -180 to 180, south and north from -90 to 90, south below north.'
        )
      );
      return;
    }
    const [from, to] = days;
    if (from && to && from > to) {
      setProblem(trans.__('The first day is after the last one.'));
      return;
    }
    setProblem('');
    criteria.change({ bbox: box, start: from || null, end: to || null });
  };
  const sideNames = [
    trans.__('West'),
    trans.__('South'),
    trans.__('East'),
    trans.__('North')
  ];
  const dayNames = [trans.__('From'), trans.__('To')];
  return (
    <div
      className="jp-Pelagos-limits"
      onKeyDown={event => {
        if (event.key === 'Enter' && event.target instanceof HTMLInputElement) {
          apply(event);
        }
      }}
    >
      {sideNames.map((name, index) => (
        <label key={name} className="jp-Pelagos-field">
          {name}
          <input
            type="text"
            inputMode="decimal"
            className="jp-Pelagos-input"
            aria-invalid={problem !== ''}
            aria-describedby={problem ? id : undefined}
            placeholder="°"
            value={sides[index]}
            onChange={event =>
              setSides(sides.map((one, i) => (i === index ? event.target.value : one)))
            }
          />
        </label>
      ))}
      {dayNames.map((name, index) => (
        <label key={name} className="jp-Pelagos-field jp-mod-day">
          {name}
          <input
            type="date"
            className="jp-Pelagos-input"
            value={days[index]}
            onChange={event =>
              setDays(days.map((one, i) => (i === index ? event.target.value : one)))
            }
          />
        </label>
      ))}
      <Button onClick={() => apply(null)}>{trans.__('Apply')}</Button>
      {problem && (
        <p id={id} role="alert" className="jp-Pelagos-problem">
          {problem}
        </p>
      )}
    </div>
  );
}

function dayOf(text: string | null): string {
  return text?.slice(0, 10) ?? '';
}

/** A box of four texts; null if all are empty, undefined if it is none. */
export function boxOf(sides: string[]): Box | null | undefined {
  if (sides.every(side => !side.trim())) {
    return null;
  }
  const box = sides.map(side => (side.trim() ? Number(side.replace(',', '.')) : NaN));
  return isBox(box) ? box : undefined;
}
