import { TranslationBundle } from '@jupyterlab/translation';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { useMemo, useState } from 'react';

import { Button, Problem, Progress as Bar, useSlow } from '../common';
import { number } from '../common/format';
import { BasketModel } from '../model/basket';
import { useModel } from '../model/base';
import { CommandIDs, IPelagos } from '../tokens';
import { AddModel, IOutcome } from './addAll';
import { totalText } from './format';
import { GranulesModel, MOST } from './model';

interface IProps {
  pelagos: IPelagos;
  model: GranulesModel;
  adding: AddModel;
  /** No room for what is needed less often. */
  isNarrow: boolean;
}

/** How many match, and what is done with those selected or with all. */
export function Actions({ pelagos, model, adding, isNarrow }: IProps): JSX.Element {
  const { trans } = pelagos;
  const state = useModel(model);
  const { phase } = useModel(adding);
  const chosen = useMemo(
    () => model.selection,
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [model, state.rows, state.selected]
  );
  const count = chosen.length;
  const busy = phase !== 'idle';
  const [more, setMore] = useState(false);
  return (
    <div className="jp-Pelagos-actions">
      <Count model={model} trans={trans} />
      <div
        className="jp-Pelagos-line"
        role="toolbar"
        aria-label={trans.__('What to do with granules')}
      >
        <Button
          kind="accept"
          disabled={!count}
          aria-disabled={busy || undefined}
          title={count ? totalText(chosen, trans) : trans.__('Select granules first')}
          onClick={() => void adding.add(chosen)}
        >
          {count
            ? trans.__('Add %1 to basket', number(count))
            : trans.__('Add to basket')}
        </Button>
        <Button
          disabled={!state.rows.length}
          aria-disabled={busy || undefined}
          onClick={() => void adding.addAll()}
        >
          {trans.__('Add all that match')}
        </Button>
        {isNarrow && (
          <Button aria-expanded={more} onClick={() => setMore(!more)}>
            {trans.__('More')}
            <span aria-hidden="true">{more ? ' ▴' : ' ▾'}</span>
          </Button>
        )}
        {(more || !isNarrow) && <Further pelagos={pelagos} model={model} count={count} />}
      </div>
      <Progress adding={adding} basket={pelagos.basket} trans={trans} />
    </div>
  );
}

interface IFurtherProps {
  pelagos: IPelagos;
  model: GranulesModel;
  /** How many are selected. */
  count: number;
}

function Further({ pelagos, model, count }: IFurtherProps): JSX.Element {
  const { trans, commands } = pelagos;
  const { rows } = useModel(model);
  return (
    <>
      <Button disabled={!rows.length} onClick={() => model.selectAll()}>
        {trans.__('Select all shown')}
      </Button>
      <Button disabled={!count} onClick={() => model.selectNone()}>
        {trans.__('Clear selection')}
      </Button>
      {commands.hasCommand(CommandIDs.queryAsCode) && (
        <Button
          onClick={() =>
            void commands.execute(CommandIDs.queryAsCode, {
              criteria: model.criteria.state,
              collections: model.collections
            } as unknown as ReadonlyPartialJSONObject)
          }
        >
          {trans.__('Open query as code')}
        </Button>
      )}
    </>
  );
}

/** `1,234 granules`, and what of them is loaded. */
function Count({
  model,
  trans
}: {
  model: GranulesModel;
  trans: TranslationBundle;
}): JSX.Element {
  const { rows, loading, matchedText, matched, error, selected } = useModel(model);
  const slow = useSlow(loading === 'first');
  const parts: string[] = [];
  if (loading === 'first') {
    parts.push(
      slow ? trans.__('The catalogue is slow to answer.') : trans.__('Searching …')
    );
  } else if (!error || rows.length) {
    const text = matchedText || (model.isComplete ? number(rows.length) : '');
    parts.push(
      text
        ? trans._n(
            '%2 granule',
            '%2 granules',
            matched ?? (model.isComplete ? rows.length : 2),
            text
          )
        : trans.__('%1 or more granules', number(rows.length))
    );
    if (!model.isComplete && rows.length) {
      parts.push(trans.__('%1 loaded', number(rows.length)));
    }
    if (model.isCut) {
      parts.push(trans.__('no more than %1 are listed: narrow the search', number(MOST)));
    }
    if (selected.size) {
      parts.push(trans.__('%1 selected', number(selected.size)));
    }
  }
  return (
    <p role="status" className="jp-Pelagos-matches" aria-label={trans.__('Matches')}>
      {parts.map((part, index) => (
        <span key={index}>{part}</span>
      ))}
    </p>
  );
}

/** How far the basket is filled, with a way out, and what became of it. */
function Progress({
  adding,
  basket,
  trans
}: {
  adding: AddModel;
  basket: BasketModel;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { phase, done, of, outcome } = useModel(adding);
  const { error } = useModel(basket);
  if (phase !== 'idle') {
    const text =
      phase === 'loading'
        ? of === null
          ? trans.__('Loading: %1 granules', number(done))
          : trans.__('Loading: %1 of %2 granules', number(done), number(of))
        : trans.__('Adding: %1 of %2 granules', number(done), number(of ?? 0));
    return (
      <div className="jp-Pelagos-line jp-Pelagos-progress">
        <Bar
          label={trans.__('Filling the basket')}
          value={of ? done / of : null}
          text={text}
        />
        <span role="status">{text}</span>
        <Button onClick={() => adding.cancel()}>{trans.__('Cancel')}</Button>
      </div>
    );
  }
  if (!outcome) {
    return null;
  }
  const close = (
    <Button
      aria-label={trans.__('Close this message')}
      title={trans.__('Close this message')}
      onClick={() => adding.forget()}
    >
      ×
    </Button>
  );
  if (outcome.failed && error) {
    return (
      <Problem trans={trans} error={error} title={outcomeText(outcome, trans)}>
        {close}
      </Problem>
    );
  }
  return (
    <div role="status" className="jp-Pelagos-line jp-Pelagos-outcome">
      <span>{outcomeText(outcome, trans)}</span>
      {close}
    </div>
  );
}

/** What went in, and what was left out and why. */
export function outcomeText(outcome: IOutcome, trans: TranslationBundle): string {
  const { added, changed, already, empty, beyond, cancelled, failed } = outcome;
  const say: string[] = [];
  if (cancelled) {
    say.push(trans.__('Cancelled.'));
  }
  if (failed && !added) {
    say.push(trans.__('Nothing was added to the basket.'));
    if (outcome.overtaken) {
      say.push(trans.__('The search was changed meanwhile: add them again.'));
    }
  } else if (added || !changed) {
    say.push(
      trans._n(
        '%2 granule was added to the basket.',
        '%2 granules were added to the basket.',
        added,
        number(added)
      )
    );
  }
  if (changed) {
    say.push(
      trans._n(
        '%2 was there for another area or time, and is now for this one.',
        '%2 were there for another area or time, and are now for this one.',
        changed,
        number(changed)
      )
    );
  }
  if (already) {
    say.push(
      trans._n(
        '%2 was there already.',
        '%2 were there already.',
        already,
        number(already)
      )
    );
  }
  if (empty) {
    say.push(
      trans._n(
        '%2 has no file to fetch and was left out.',
        '%2 have no file to fetch and were left out.',
        empty,
        number(empty)
      )
    );
  }
  if (beyond) {
    say.push(
      trans.__(
        'More match than the %1 that can be added at once: narrow the search by area or time for the others.',
        number(MOST)
      )
    );
  }
  return say.join(' ');
}
