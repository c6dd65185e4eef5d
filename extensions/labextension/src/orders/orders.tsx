import { useEffect, useRef, useState } from 'react';

import { Button, Live, Problem, format, useNow, useVisible } from '../common';
import { useModel } from '../model/base';
import { OrdersModel } from '../model/orders';
import { CommandIDs, IPelagos } from '../tokens';
import { Order } from './order';
import { newsText } from './words';

const PAGE = 20;

/** All orders, the newest first. */
export function OrdersSection({
  pelagos,
  model
}: {
  pelagos: IPelagos;
  model: OrdersModel;
}): JSX.Element {
  const { trans, commands } = pelagos;
  const { orders, error, focus } = useModel(model);
  const [shown, setShown] = useState(PAGE);
  const now = useNow(30_000);
  const root = useRef<HTMLDivElement>(null);
  // what is not on the screen can't take the focus
  const visible = useVisible(root);
  // after failures the poll may come only minutes later
  useEffect(() => {
    if (visible) {
      model.look();
    }
  }, [visible, model]);
  const goal = focus ? (orders?.findIndex(one => one.id === focus) ?? -1) : -1;
  useEffect(() => setShown(before => Math.max(before, goal + 1)), [goal]);
  const [news, setNews] = useState('');
  const states = useRef(new Map<string, string>());
  useEffect(() => {
    const told = newsText(trans, orders ?? [], states.current);
    states.current = new Map(orders?.map(one => [one.id, one.state]));
    if (told) {
      setNews(told);
    }
  }, [orders, trans]);
  return (
    <div
      ref={root}
      className="jp-Pelagos-orders"
      role="region"
      aria-label={trans.__('Orders')}
    >
      <Live text={news} />
      <Problem
        trans={trans}
        error={error}
        title={orders ? trans.__('This is how it was last:') : undefined}
        onRetry={() => void model.load()}
      />
      {!orders && !error && <p className="jp-Pelagos-note">{trans.__('Loading …')}</p>}
      {orders?.length === 0 && (
        <div className="jp-Pelagos-empty">
          <p>
            <strong>{trans.__('No orders yet.')}</strong>
          </p>
          <p>{trans.__('What you order from the basket can be watched here.')}</p>
          <Button
            onClick={() => void commands.execute(CommandIDs.open, { section: 'basket' })}
          >
            {trans.__('Show the basket')}
          </Button>
        </div>
      )}
      {orders?.slice(0, shown).map(order => (
        <Order
          key={order.id}
          pelagos={pelagos}
          model={model}
          order={order}
          now={now}
          focused={visible && focus === order.id}
        />
      ))}
      {orders && orders.length > shown && (
        <Button kind="link" onClick={() => setShown(shown + PAGE)}>
          {trans.__('Show older (%1)', format.number(orders.length - shown))}
        </Button>
      )}
    </div>
  );
}
