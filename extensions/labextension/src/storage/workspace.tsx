import { TranslationBundle } from '@jupyterlab/translation';

import { Button, Meter, format } from '../common';
import { IWorkspaceStatus } from '../types';

/** Whether the workspace is connected, what is on its way to it, and what failed. */
export function Workspace({
  trans,
  workspace,
  busy,
  onRetry
}: {
  trans: TranslationBundle;
  workspace: IWorkspaceStatus;
  busy: string;
  onRetry: () => void;
}): JSX.Element {
  const { state, reason, pending, pending_bytes, failed, used, total } = workspace;
  const states: Record<IWorkspaceStatus['state'], string> = {
    mounted: trans.__('Connected'),
    mounting: trans.__('Connecting …'),
    unavailable: trans.__('Not connected'),
    leaving: trans.__('Being disconnected'),
    absent: trans.__('Not set up')
  };
  const canRetry = state === 'unavailable' || failed.length > 0;
  return (
    <section aria-label={trans.__('Workspace')}>
      <div className="jp-Pelagos-row">
        <h3>{trans.__('Workspace')}</h3>
        <span className={`jp-Pelagos-state jp-mod-${state}`}>{states[state]}</span>
      </div>
      {state !== 'mounted' && (
        <p className={state === 'unavailable' ? 'jp-Pelagos-problem' : ''}>
          {reason ||
            (state === 'absent'
              ? trans.__('It is connected when your server is started the next time.')
              : '')}
          {state === 'unavailable' &&
            ` ${trans.__('What you save elsewhere is safe; try again, or save to your home meanwhile.')}`}
        </p>
      )}
      {used !== null && total !== null && total > 0 && (
        <Meter
          label={trans.__('Space in the workspace')}
          used={used}
          total={total}
          level={used >= total ? 'full' : undefined}
          text={trans.__('%1 of %2 used', format.bytes(used), format.bytes(total))}
        />
      )}
      {used !== null && !total && (
        <p className="jp-Pelagos-dim">{trans.__('%1 used', format.bytes(used))}</p>
      )}
      {pending > 0 && (
        <p>
          {trans._n('%1 upload pending', '%1 uploads pending', pending)} (
          {format.bytes(pending_bytes)})
        </p>
      )}
      {state === 'mounted' && !pending && !failed.length && (
        <p className="jp-Pelagos-dim">{trans.__('Everything is uploaded.')}</p>
      )}
      {failed.length > 0 && (
        <div className="jp-Pelagos-problem">
          <strong>
            {trans._n('%1 upload failed:', '%1 uploads failed:', failed.length)}
          </strong>
          <ul className="jp-Pelagos-reasons">
            {failed.map(one => (
              <li key={one.name}>
                <span className="jp-Pelagos-name">{one.name}</span>: {one.reason}{' '}
                <span className="jp-Pelagos-dim">
                  {trans._n('Tried once.', 'Tried %1 times.', one.tries)}
                  {one.next_try > 0 &&
                    ` ${trans.__('Tried again in %1.', format.duration(one.next_try))}`}
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {canRetry && (
        <Button aria-disabled={busy === 'retry'} onClick={onRetry}>
          {busy === 'retry' ? trans.__('Trying …') : trans.__('Try again')}
        </Button>
      )}
    </section>
  );
}
