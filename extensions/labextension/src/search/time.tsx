import { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useId, useState } from 'react';

import { useModel } from '../model/base';
import { CriteriaModel } from '../model/search';
import { faultOfDays, periodOf, presets } from './times';

interface IProps {
  criteria: CriteriaModel;
  trans: TranslationBundle;
}

/** When: first and last day, or a range that is often wanted. */
export function Time({ criteria, trans }: IProps): JSX.Element {
  const { start, end } = useModel(criteria);
  const [days, setDays] = useState({ start: dayText(start), end: dayText(end) });
  const [fault, setFault] = useState('');
  const id = useId();
  useEffect(() => {
    setDays({ start: dayText(start), end: dayText(end) });
    setFault('');
  }, [start, end]);

  const take = (part: Partial<typeof days>, typing = true) => {
    const after = { ...days, ...part };
    setDays(after);
    const wrong = faultOfDays(after.start, after.end, trans);
    // 0002 is the beginning of 2020 for who types it
    setFault(typing && isBegun(after) ? '' : wrong);
    if (!wrong && ((after.start || null) !== start || (after.end || null) !== end)) {
      criteria.change({ start: after.start || null, end: after.end || null });
    }
  };
  const all = presets(trans);
  const chosen = all.find(
    one => one.start === (start || null) && one.end === (end || null)
  );
  const field = (name: 'start' | 'end', label: string) => (
    <label className="jp-Pelagos-grow">
      <span>{label}</span>
      <input
        type="date"
        className="jp-Pelagos-input"
        value={days[name]}
        max="9999-12-31"
        aria-invalid={fault ? true : undefined}
        aria-describedby={fault ? id : undefined}
        onChange={event => take({ [name]: event.target.value })}
        onBlur={() => take({}, false)}
      />
    </label>
  );
  return (
    <>
      <div className="jp-Pelagos-formRow">
        {field('start', trans.__('From'))}
        {field('end', trans.__('To'))}
      </div>
      {fault && (
        <p id={id} role="alert" className="jp-Pelagos-fault">
          {fault}
        </p>
      )}
      <select
        className="jp-Pelagos-input"
        aria-label={trans.__('Often wanted ranges')}
        value={chosen?.id ?? ''}
        onChange={event => {
          const one = all.find(({ id }) => id === event.target.value);
          if (one) {
            criteria.change({ start: one.start, end: one.end });
          }
        }}
      >
        {!chosen && <option value="">{trans.__('Often wanted ranges …')}</option>}
        {all.map(one => (
          <option key={one.id} value={one.id}>
            {one.start
              ? `${one.title} (${periodOf(one.start, one.end, trans)})`
              : one.title}
          </option>
        ))}
      </select>
    </>
  );
}

function isBegun(days: { start: string; end: string }): boolean {
  return [days.start, days.end].some(day => day && day < '1000');
}

function dayText(day: string | null): string {
  return day?.slice(0, 10) ?? '';
}
