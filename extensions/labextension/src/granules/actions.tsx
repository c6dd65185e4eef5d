import { TranslationBundle } from '@jupyterlab/translation';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { useMemo } from 'react';

import { BasketModel } from '../model/basket';
import { useModel } from '../model/base';
import { CommandIDs, IPelagos } from '../tokens';
import { AddModel, IOutcome } from './addAll';
import { countText, totalText } from './format';
import { GranulesModel, MOST } from './model';

interface IProps {
  pelagos: IPelagos;
  model: GranulesModel;
  adding: AddModel;
}

/** How many match, and what is done with those selected or with all. */
export function Actions({ pelagos, model, adding }: IProps): JSX.Element {
  const { trans, commands } = pelagos;
  const state = useModel(model);
  const { phase } = useModel(adding);
  const chosen = useMemo(
    () => model.selection,
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [model, state.rows, state.selected]
  );
  const count = chosen.length;
  const busy = phase !== 'idle';
  return (
    <div className="jp-Pelagos-actions">
      <Count model={model} trans={trans} />
      <div
        className="jp-Pelagos-line"
        role="toolbar"
        aria-label={trans.__('What to do with granules')}
      >
        <button
          type="button"
          className="jp-Pelagos-button jp-mod-accept"
          disabled={!count || busy}
          title={count ? totalText(chosen, trans) : trans.__('Select granules first')}
          onClick={() => void adding.add(chosen)}
        >
          {count
            ? trans.__('Add %1 to basket', countText(count))
            : trans.__('Add to basket')}
        </button>
        <button
          type="button"
          className="jp-Pelagos-button"
          disabled={!state.rows.length || busy}
          onClick={() => void adding.addAll()}
        >
          {trans.__('Add all that match')}
        </button>
        <button
          type="button"
          className="jp-Pelagos-button"
          disabled={!state.rows.length}
          onClick={() => model.selectAll()}
        >
          {trans.__('Select all shown')}
        </button>
        <button
          type="button"
          className="jp-Pelagos-button"
          disabled={!count}
          onClick={() => model.selectNone()}
        >
          {trans.__('Clear selection')}
        </button>
        {commands.hasCommand(CommandIDs.queryAsCode) && (
          <button
            type="button"
            className="jp-Pelagos-button"
            onClick={() =>
              void commands.execute(CommandIDs.queryAsCode, {
                criteria: model.criteria.state,
                collections: model.collections
              } as unknown as ReadonlyPartialJSONObject)
            }
          >
            {trans.__('Open query as code')}
          </button>
        )}
      </div>
      <Progress adding={adding} basket={pelagos.basket} trans={trans} />
    </div>
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
  const parts: string[] = [];
  if (loading === 'first') {
    parts.push(trans.__('Searching …'));
  } else if (!error || rows.length) {
    const text = matchedText || (model.isComplete ? countText(rows.length) : '');
    parts.push(
      text
        ? trans._n('%2 granule', '%2 granules', matched ?? 2, text)
        : trans.__('%1 or more granules', countText(rows.length))
    );
    if (!model.isComplete && rows.length) {
      parts.push(trans.__('%1 loaded', countText(rows.length)));
    }
    if (model.isCut) {
      parts.push(
        trans.__('no more than %1 are listed: narrow the search', countText(MOST))
      );
    }
    if (selected.size) {
      parts.push(trans.__('%1 selected', countText(selected.size)));
    }
  }
  return (
    <p role="status" className="jp-Pelagos-count" aria-label={trans.__('Matches')}>
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
          ? trans.__('Loading: %1 granules', countText(done))
          : trans.__('Loading: %1 of %2 granules', countText(done), countText(of))
        : trans.__('Adding: %1 of %2 granules', countText(done), countText(of ?? 0));
    return (
      <div className="jp-Pelagos-line jp-Pelagos-progress">
        <progress
          aria-label={trans.__('Filling the basket')}
          max={of ?? undefined}
          value={of === null ? undefined : done}
        />
        <span role="status">{text}</span>
        <button
          type="button"
          className="jp-Pelagos-button"
          onClick={() => adding.cancel()}
        >
          {trans.__('Cancel')}
        </button>
      </div>
    );
  }
  if (!outcome) {
    return null;
  }
  const failed = outcome.failed;
  return (
    <div
      role={failed ? 'alert' : 'status'}
      className={`jp-Pelagos-line ${failed ? 'jp-Pelagos-problem' : 'jp-Pelagos-outcome'}`}
    >
      <span>
        {failed && error ? `${error.reason} ${error.mend} ` : ''}
        {outcomeText(outcome, trans)}
      </span>
      <button
        type="button"
        className="jp-Pelagos-button"
        aria-label={trans.__('Close this message')}
        onClick={() => adding.forget()}
      >
        ×
      </button>
    </div>
  );
}

/** What went in, and what was left out and why. */
export function outcomeText(outcome: IOutcome, trans: TranslationBundle): string {
  const { added, already, empty, beyond, cancelled, failed } = outcome;
  const say: string[] = [];
  if (cancelled) {
    say.push(trans.__('Cancelled.'));
  }
  if (failed && !added) {
    say.push(trans.__('Nothing was added to the basket.'));
  } else {
    say.push(
      trans._n(
        '%2 granule was added to the basket.',
        '%2 granules were added to the basket.',
        added,
        countText(added)
      )
    );
  }
  if (already) {
    say.push(trans._n('%2 was there already.', '%2 were there already.', already, countText(already)));
  }
  if (empty) {
    say.push(
      trans._n(
        '%2 has no file to fetch and was left out.',
        '%2 have no file to fetch and were left out.',
        empty,
        countText(empty)
      )
    );
  }
  if (beyond) {
    say.push(
      trans.__(
        'More match than the %1 that can be added at once: narrow the search by area or time for the others.',
        countText(MOST)
      )
    );
  }
  return say.join(' ');
}
