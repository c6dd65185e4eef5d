import { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useId, useRef, useState } from 'react';

import { Ago, Button, Confirm, Problem, Progress, format } from '../common';
import { OrdersModel, isUnderWay, shareOf } from '../model/orders';
import { CommandIDs, IPelagos } from '../tokens';
import { IOrder } from '../types';
import { showCitations } from './cite';
import { Files } from './files';
import { amountText, nameOf, stateText } from './words';

interface IOrderProps {
  pelagos: IPelagos;
  model: OrdersModel;
  order: IOrder;
  now: number;
  focused: boolean;
}

/** One order: how far it is, what went wrong, what can be done. */
export function Order({ pelagos, model, order, now, focused }: IOrderProps): JSX.Element {
  const { trans } = pelagos;
  const id = useId();
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLElement>(null);
  useEffect(() => {
    if (focused) {
      root.current?.focus();
      root.current?.scrollIntoView?.({ block: 'nearest' });
      model.focus(null);
    }
  }, [focused, model]);
  const name = nameOf(trans, order);
  const underWay = isUnderWay(order);
  const left = model.left(order);
  return (
    <article ref={root} tabIndex={-1} className="jp-Pelagos-order" aria-labelledby={id}>
      <div className="jp-Pelagos-row">
        <h3 id={id} title={order.title && order.number ? `#${order.number}` : undefined}>
          {name}
        </h3>
        <span className={`jp-Pelagos-state jp-mod-${order.state}`}>
          {stateText(trans, order.state)}
        </span>
      </div>
      {underWay && (
        <Progress
          label={trans.__('Progress of %1', name)}
          value={order.state === 'queued' ? 0 : shareOf(order)}
          text={amountText(trans, order)}
        />
      )}
      <p className="jp-Pelagos-dim">
        {amountText(trans, order)}
        {left !== null && ` · ${trans.__('about %1 left', format.duration(left))}`}
      </p>
      <p className="jp-Pelagos-dim">
        <Where trans={trans} to={order.to} />
        {order.created && (
          <>
            {' · '}
            {/* what is shown moves on only now and then: nothing was made in the future */}
            <Ago
              when={order.created}
              now={Math.max(now, new Date(order.created).valueOf())}
            />
          </>
        )}
        {order.to === 'dataspace' && order.state === 'ready' && order.expires && (
          <>
            {' · '}
            {trans.__('expires')} <Ago when={order.expires} now={now} />
          </>
        )}
      </p>
      {order.error && (
        <div className="jp-Pelagos-problem">
          {order.error} {order.next_step}
        </div>
      )}
      {!order.error && order.next_step && <p>{order.next_step}</p>}
      {order.notes.map(note => (
        <p key={note} className="jp-Pelagos-dim">
          {note}
        </p>
      ))}
      <Problem trans={trans} error={model.state.failures[order.id]} />
      <Actions pelagos={pelagos} model={model} order={order} />
      {order.files.total > 0 && (
        <details onToggle={event => setOpen(event.currentTarget.open)}>
          <summary aria-label={trans.__('Files of %1', name)}>
            {trans._n('%1 file', '%1 files', order.files.total)}
          </summary>
          {open && <Files pelagos={pelagos} order={order} />}
        </details>
      )}
    </article>
  );
}

function Where({ trans, to }: { trans: TranslationBundle; to: string }): JSX.Element {
  const areas: Record<string, string> = {
    dataspace: trans.__('Dataspace'),
    workspace: trans.__('Workspace')
  };
  return <>{areas[to] ?? trans.__('Folder %1', to || '/')}</>;
}

function Actions({
  pelagos,
  model,
  order
}: Omit<IOrderProps, 'now' | 'focused'>): JSX.Element {
  const { trans, commands, api } = pelagos;
  const [citing, setCiting] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const busy = model.state.busy[order.id];
  const name = nameOf(trans, order);
  const isReady = order.state === 'ready';
  const cite = async () => {
    setCiting(true);
    setError(null);
    try {
      await showCitations(trans, name, await api.citations(order.id));
    } catch (reason) {
      setError(reason);
    } finally {
      setCiting(false);
    }
  };
  const said = (text: string) => `${text}: ${name}`;
  return (
    <>
      <div className="jp-Pelagos-buttons">
        {isReady && (
          <Button
            kind="accept"
            aria-label={said(trans.__('Add to notebook'))}
            onClick={() =>
              void commands.execute(CommandIDs.insert, {
                what: { kind: 'order', order } as never
              })
            }
          >
            {trans.__('Add to notebook')}
          </Button>
        )}
        {order.contents !== null && (isReady || order.files.ready > 0) && (
          <Button
            aria-label={said(trans.__('Open folder'))}
            onClick={() =>
              void commands.execute(CommandIDs.reveal, { path: order.contents })
            }
          >
            {trans.__('Open folder')}
          </Button>
        )}
        {order.can_retry && (
          <Button
            kind={order.state === 'failed' ? 'accept' : 'plain'}
            aria-label={said(trans.__('Retry'))}
            aria-disabled={!!busy}
            onClick={() => void model.retry(order.id)}
          >
            {busy === 'retry' ? trans.__('Retrying …') : trans.__('Retry')}
          </Button>
        )}
        {order.can_cancel && (
          <Button
            aria-label={said(trans.__('Cancel'))}
            aria-disabled={!!busy}
            onClick={() => void model.cancel(order.id)}
          >
            {busy === 'cancel' ? trans.__('Cancelling …') : trans.__('Cancel')}
          </Button>
        )}
        {isReady && (
          <Button
            aria-label={said(trans.__('Cite'))}
            aria-disabled={citing}
            onClick={() => void cite()}
          >
            {trans.__('Cite …')}
          </Button>
        )}
        {!isUnderWay(order) && (
          <Confirm
            label={trans.__('Forget')}
            said={said(trans.__('Forget'))}
            question={
              order.to === 'dataspace'
                ? trans.__(
                    'Take %1 off this list? Its files stay while the data pool has room.',
                    name
                  )
                : trans.__('Take %1 off this list? Its files stay.', name)
            }
            yes={trans.__('Forget')}
            no={trans.__('Keep')}
            disabled={!!busy}
            onConfirm={() => void model.forget(order.id)}
          />
        )}
      </div>
      <Problem trans={trans} error={error} onRetry={() => void cite()} />
    </>
  );
}
