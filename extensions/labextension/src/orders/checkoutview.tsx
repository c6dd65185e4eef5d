import { TranslationBundle } from '@jupyterlab/translation';
import { useId } from 'react';

import { Button, Live, Meter, Problem, format, useSlow } from '../common';
import { useModel } from '../model/base';
import { IPelagos } from '../tokens';
import { IBasket, IEstimate } from '../types';
import { Blocked, CheckoutModel, isFolder } from './checkout';
import { Target, Terms, Title, Cut } from './fields';

/** What the order would be, where it goes, what has to be accepted, and the button. */
export function Checkout({
  pelagos,
  checkout,
  basket
}: {
  pelagos: IPelagos;
  checkout: CheckoutModel;
  basket: IBasket;
}): JSX.Element {
  const { trans } = pelagos;
  const state = useModel(checkout);
  const { estimate } = state;
  return (
    <form
      className="jp-Pelagos-checkout"
      aria-label={trans.__('Order')}
      onSubmit={event => {
        event.preventDefault();
        void checkout.order();
      }}
    >
      <Target
        trans={trans}
        about={state.about}
        basket={basket}
        folder={pelagos.settings.orderFolder || 'pelagos-orders'}
        onChange={to => void pelagos.basket.change({ kind: 'set', to })}
      />
      <Problem
        trans={trans}
        error={state.aboutError}
        onRetry={() => void checkout.loadAbout()}
      />
      <Cut
        trans={trans}
        basket={basket}
        onChange={cut => void pelagos.basket.change({ kind: 'set', cut })}
      />
      <Title
        trans={trans}
        title={basket.title}
        onChange={title => void pelagos.basket.change({ kind: 'set', title })}
      />
      <Space
        trans={trans}
        to={basket.to}
        estimate={estimate}
        estimating={state.estimating}
      />
      <Problem
        trans={trans}
        error={state.estimateError}
        title={trans.__('Not checked yet.')}
        onRetry={() => checkout.estimate()}
      />
      {estimate && <Refused trans={trans} estimate={estimate} checkout={checkout} />}
      {estimate?.accept.map(terms => (
        <Terms
          key={terms.key}
          trans={trans}
          terms={terms}
          accepted={state.accepted.includes(terms.key)}
          onChange={accepted => checkout.accept(terms.key, accepted)}
        />
      ))}
      <Problem
        trans={trans}
        error={state.orderError}
        title={trans.__('Not ordered.')}
        onRetry={state.orderError?.isPassing ? () => void checkout.order() : undefined}
      />
      <Submit trans={trans} checkout={checkout} to={basket.to} estimate={estimate} />
    </form>
  );
}

function Space({
  trans,
  to,
  estimate,
  estimating
}: {
  trans: TranslationBundle;
  to: string;
  estimate: IEstimate | null;
  estimating: boolean;
}): JSX.Element {
  const id = useId();
  if (!estimate) {
    return (
      <p className="jp-Pelagos-dim">{estimating ? trans.__('Checking space …') : ''}</p>
    );
  }
  const { files, known, unknown, cached, free, fits, reason } = estimate;
  // a workspace gets copies also of what the data pool has
  const needed = to === 'workspace' ? known : Math.max(0, known - cached);
  const verdict = fits ? trans.__('It fits.') : trans.__('It does not fit.');
  return (
    <section
      className={`jp-Pelagos-space${estimating ? ' jp-mod-old' : ''}`}
      aria-labelledby={id}
      aria-busy={estimating}
    >
      <h3 id={id}>{trans.__('Space')}</h3>
      <dl className="jp-Pelagos-facts">
        <dt>{trans.__('Files')}</dt>
        <dd>{format.number(files)}</dd>
        <dt>{trans.__('Size')}</dt>
        <dd>
          {format.bytes(known)}
          {unknown > 0 &&
            ` ${trans._n('+ %1 file of unknown size', '+ %1 files of unknown size', unknown)}`}
        </dd>
        {cached > 0 && (
          <>
            <dt>{trans.__('Already there')}</dt>
            <dd>{format.bytes(cached)}</dd>
          </>
        )}
      </dl>
      <Meter
        label={trans.__('Space for this order')}
        used={needed}
        total={free}
        level={fits ? undefined : 'full'}
        text={trans.__('%1 needed, %2 free', format.bytes(needed), format.bytes(free))}
      />
      <p role="status" className={fits ? 'jp-Pelagos-good' : 'jp-Pelagos-bad'}>
        <strong>{verdict}</strong> {!fits && reason}
      </p>
      {fits && reason && <p className="jp-Pelagos-dim">{reason}</p>}
    </section>
  );
}

function Refused({
  trans,
  estimate,
  checkout
}: {
  trans: TranslationBundle;
  estimate: IEstimate;
  checkout: CheckoutModel;
}): JSX.Element | null {
  const { refused } = estimate;
  if (!refused.length) {
    return null;
  }
  return (
    <div role="alert" className="jp-Pelagos-problem">
      <strong>
        {trans._n(
          '%1 granule can’t be ordered:',
          '%1 granules can’t be ordered:',
          refused.length
        )}
      </strong>
      <ul className="jp-Pelagos-reasons">
        {refused.map(({ collection, item, reason }) => (
          <li key={`${collection}\n${item}`}>
            <span className="jp-Pelagos-name">{item || collection}</span>: {reason}
          </li>
        ))}
      </ul>
      <Button onClick={() => void checkout.leaveOut()}>
        {refused.length > 1 ? trans.__('Leave them out') : trans.__('Leave it out')}
      </Button>
    </div>
  );
}

function Submit({
  trans,
  checkout,
  to,
  estimate
}: {
  trans: TranslationBundle;
  checkout: CheckoutModel;
  to: string;
  estimate: IEstimate | null;
}): JSX.Element {
  const id = useId();
  const { blocked } = checkout;
  // a button that is gone while it works would lose the focus
  const isPassing = blocked === 'ordering' || blocked === 'estimating';
  // into a folder this server orders without the data pool
  const patience = !useSlow(isPassing)
    ? ''
    : isFolder(to)
      ? trans.__('This takes longer than usual.')
      : trans.__('The data pool is slow to answer.');
  const why = [reasonOf(trans, blocked, estimate), patience].filter(Boolean).join(' ');
  const files = estimate?.files ?? 0;
  return (
    <div className="jp-Pelagos-submit">
      <Button
        kind="accept"
        type="submit"
        disabled={blocked !== '' && !isPassing}
        aria-disabled={isPassing || undefined}
        aria-describedby={why ? id : undefined}
      >
        {blocked === 'ordering'
          ? trans.__('Ordering …')
          : files
            ? trans._n('Order %1 file', 'Order %1 files', files)
            : trans.__('Order')}
      </Button>
      <span id={id} className="jp-Pelagos-dim">
        {why}
      </span>
      <Live text={patience} />
    </div>
  );
}

function reasonOf(
  trans: TranslationBundle,
  blocked: Blocked,
  estimate: IEstimate | null
): string {
  switch (blocked) {
    case 'estimating':
      return trans.__('Checking whether it fits …');
    case 'unknown':
      return trans.__('Whether it fits is not known yet: try the check again.');
    case 'refused':
      return trans.__('Leave out first what can’t be ordered.');
    case 'nothing':
      return trans.__('There is no file to fetch in these granules.');
    case 'space':
      return trans.__('It does not fit: remove granules, or choose another place.');
    case 'terms':
      return trans._n(
        'Accept the terms above first.',
        'Accept the %1 terms above first.',
        estimate?.accept.length ?? 1
      );
    default:
      return '';
  }
}
