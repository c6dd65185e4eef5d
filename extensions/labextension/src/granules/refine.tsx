import { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useId, useRef, useState } from 'react';

import { Button } from '../common';
import { useModel } from '../model/base';
import { CriteriaModel } from '../model/search';
import { BoxFields } from '../search/boxFields';
import { Vocabulary, chipsOf } from '../search/criteria';
import { Chips } from '../search/states';
import { Time } from '../search/time';

/** Milliseconds after the last letter. */
const PAUSE = 300;

interface IProps {
  criteria: CriteriaModel;
  trans: TranslationBundle;
}

interface IWithin {
  /** What facets are called. */
  vocabulary: Vocabulary;
}

/** What is looked for, refined for one tab: text, area and time, and the facets carried over. */
export function Refine({ criteria, vocabulary, trans }: IProps & IWithin): JSX.Element {
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
      <Within criteria={criteria} vocabulary={vocabulary} trans={trans} />
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
  const take = (now: string) => {
    window.clearTimeout(clock.current);
    clock.current = 0;
    if (now.trim() !== criteria.state.q) {
      criteria.change({ q: now.trim() });
    }
  };
  const onChange = (now: string) => {
    setText(now);
    window.clearTimeout(clock.current);
    clock.current = window.setTimeout(() => take(now), PAUSE);
  };
  return (
    <input
      type="search"
      className="jp-Pelagos-input jp-Pelagos-wordsField"
      aria-label={trans.__('Words in granules')}
      placeholder={trans.__('Words, such as a platform or station')}
      value={text}
      onChange={event => onChange(event.target.value)}
      // what is pressed next is about these words
      onBlur={() => clock.current && take(text)}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          take(text);
        }
      }}
    />
  );
}

/** Area, time and facets: the words have their field. */
function Within({ criteria, vocabulary, trans }: IProps & IWithin): JSX.Element {
  const chips = chipsOf(useModel(criteria), vocabulary, trans);
  return (
    <Chips
      chips={chips.filter(one => one.key !== 'q')}
      criteria={criteria}
      trans={trans}
    />
  );
}

/** Area and days, as in the side bar; the area also on this tab's map. */
function Limits({ criteria, trans }: IProps): JSX.Element {
  const { bbox } = useModel(criteria);
  return (
    <div className="jp-Pelagos-limits">
      <fieldset>
        <legend>{trans.__('Area')}</legend>
        <BoxFields
          box={bbox}
          onBox={box => criteria.change({ bbox: box })}
          trans={trans}
        />
      </fieldset>
      <fieldset>
        <legend>{trans.__('Time')}</legend>
        <Time criteria={criteria} trans={trans} />
      </fieldset>
    </div>
  );
}
