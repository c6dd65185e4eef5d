import { useEffect, useRef } from 'react';

import { Button, Live, Problem, useVisible } from '../common';
import { useModel } from '../model/base';
import { CommandIDs, IPelagos } from '../tokens';
import { Checkout } from './checkoutview';
import { CheckoutModel } from './checkout';
import { Items } from './items';

/** The basket: what is in it, and the way to an order. */
export function BasketSection({
  pelagos,
  checkout
}: {
  pelagos: IPelagos;
  checkout: CheckoutModel;
}): JSX.Element {
  const { trans, commands } = pelagos;
  const model = pelagos.basket;
  const { basket, error, removed } = useModel(model);
  const root = useRef<HTMLDivElement>(null);
  const visible = useVisible(root);
  useEffect(() => {
    checkout.visible = visible;
  }, [checkout, visible]);
  const count = basket?.items.length ?? 0;
  const news = removed.length
    ? trans._n('%1 granule removed.', '%1 granules removed.', removed.length)
    : '';
  return (
    <div
      ref={root}
      className="jp-Pelagos-basket"
      role="region"
      aria-label={trans.__('Basket')}
    >
      <Live text={news} />
      <Problem trans={trans} error={error} onRetry={() => void model.load()} />
      {news && (
        <div className="jp-Pelagos-undo">
          <span>{news}</span>
          <Button kind="link" onClick={() => void model.undo()}>
            {trans.__('Undo')}
          </Button>
        </div>
      )}
      {!basket && !error && <p className="jp-Pelagos-note">{trans.__('Loading …')}</p>}
      {basket && !count && (
        <div className="jp-Pelagos-empty">
          <p>
            <strong>{trans.__('Your basket is empty.')}</strong>
          </p>
          <p>{trans.__('Search for data, and add the granules that you need.')}</p>
          <Button
            kind="accept"
            onClick={() => void commands.execute(CommandIDs.open, { section: 'search' })}
          >
            {trans.__('Search')}
          </Button>
        </div>
      )}
      {basket && count > 0 && (
        <>
          <Items trans={trans} model={model} basket={basket} />
          <Checkout pelagos={pelagos} checkout={checkout} basket={basket} />
        </>
      )}
    </div>
  );
}
