import { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useId, useRef, useState } from 'react';

import { Box } from '../types';
import { BoxTexts, IBoxRead, SIDES, Side, readBox, textsOf } from './boxText';

/** Milliseconds after which a whole box is taken without leaving its field. */
const PAUSE = 500;

interface IProps {
  box: Box | null;
  onBox: (box: Box | null) => void;
  trans: TranslationBundle;
}

/** The sides of the box as numbers: all that the map can do, without it. */
export function BoxFields({ box, onBox, trans }: IProps): JSX.Element {
  const [texts, setTexts] = useState(() => textsOf(box));
  const [errors, setErrors] = useState<IBoxRead['errors']>({});
  const clock = useRef(0);
  const id = useId();
  const numbers = box?.join() ?? '';
  useEffect(() => {
    setTexts(before =>
      readBox(before, trans).box?.join() === numbers ? before : textsOf(box)
    );
    setErrors({});
    // the numbers say when the box is another one
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [numbers]);
  useEffect(() => () => window.clearTimeout(clock.current), []);

  const take = (after: BoxTexts, complain: boolean) => {
    window.clearTimeout(clock.current);
    const read = readBox(after, trans);
    if (complain || !Object.keys(read.errors).length) {
      setErrors(read.errors);
    }
    if ((read.box || read.empty) && (read.box?.join() ?? '') !== numbers) {
      onBox(read.box);
    }
  };
  const change = (side: Side, text: string) => {
    const after = { ...texts, [side]: text };
    setTexts(after);
    window.clearTimeout(clock.current);
    clock.current = window.setTimeout(() => take(after, false), PAUSE);
  };
  const names: Record<Side, string> = {
    west: trans.__('West'),
    south: trans.__('South'),
    east: trans.__('East'),
    north: trans.__('North')
  };
  const faults = SIDES.filter(side => errors[side]);
  return (
    <div
      role="group"
      aria-label={trans.__('Box in degrees')}
      onBlur={event => {
        // who goes on to the next field is not done yet
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) {
          take(texts, true);
        }
      }}
    >
      <div className="jp-Pelagos-sides">
        {SIDES.map(side => (
          <label key={side}>
            <span>{names[side]}</span>
            <input
              type="text"
              inputMode="decimal"
              autoComplete="off"
              className="jp-Pelagos-input"
              value={texts[side]}
              aria-invalid={errors[side] ? true : undefined}
              aria-describedby={errors[side] ? `${id}-${side}` : undefined}
              onChange={event => change(side, event.target.value)}
              onKeyDown={event => {
                if (event.key === 'Enter') {
                  event.preventDefault();
                  take(texts, true);
                }
              }}
            />
          </label>
        ))}
      </div>
      {faults.length > 0 && (
        <div className="jp-Pelagos-faults" role="alert">
          {faults.map(side => (
            <p key={side} id={`${id}-${side}`}>
              {trans.__('%1: %2', names[side], errors[side] ?? '')}
            </p>
          ))}
        </div>
      )}
      {box && box[0] > box[2] && (
        <p className="jp-Pelagos-hint">
          {trans.__('West is more than east: the box crosses the antimeridian (180°).')}
        </p>
      )}
    </div>
  );
}
