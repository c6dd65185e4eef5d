import { useEffect, useMemo } from 'react';

import { Button, Problem, Progress, format } from '../common';
import { useModel } from '../model/base';
import { CommandIDs, IPelagos } from '../tokens';
import { IOrder, IOrderFile, IUsable } from '../types';
import { startDrag } from '../use/drag';
import { FilesModel } from './filesmodel';
import { fileStateText, nameOf } from './words';

/** The files of an order, with what can be done with those that are there. */
export function Files({
  pelagos,
  order
}: {
  pelagos: IPelagos;
  order: IOrder;
}): JSX.Element {
  const { trans, api } = pelagos;
  const model = useMemo(() => new FilesModel(api, order.id), [api, order.id]);
  useEffect(() => () => model.dispose(), [model]);
  useEffect(() => void model.load(), [model, order.sequence, order.state]);
  const { files, next, loading, error } = useModel(model);
  return (
    <div className="jp-Pelagos-files">
      <Problem trans={trans} error={error} onRetry={() => void model.load()} />
      {!files && !error && <p className="jp-Pelagos-dim">{trans.__('Loading …')}</p>}
      {files?.length === 0 && (
        <p className="jp-Pelagos-dim">{trans.__('No files yet.')}</p>
      )}
      {!!files?.length && (
        <ul
          className="jp-Pelagos-list"
          aria-label={trans.__('Files of %1', nameOf(trans, order))}
        >
          {files.map(file => (
            <File key={file.path} pelagos={pelagos} order={order} file={file} />
          ))}
        </ul>
      )}
      {next !== null && (
        <Button kind="link" aria-disabled={loading} onClick={() => void model.more()}>
          {trans.__('Show more (%1 left)', format.number(order.files.total - next))}
        </Button>
      )}
    </div>
  );
}

function File({
  pelagos,
  order,
  file
}: {
  pelagos: IPelagos;
  order: IOrder;
  file: IOrderFile;
}): JSX.Element {
  const { trans, commands } = pelagos;
  const { local } = file;
  const usable: IUsable | null = local
    ? {
        kind: 'file',
        path: local,
        type: file.type,
        collection: file.collection,
        item: file.item,
        order: order.id
      }
    : null;
  const isMoving = file.state === 'fetching' && !!file.size;
  return (
    <li
      className={`jp-Pelagos-file${usable ? ' jp-mod-drag' : ''}`}
      title={usable ? trans.__('Drag it into a notebook') : undefined}
      onPointerDown={event => {
        if (usable && !(event.target as Element).closest('button')) {
          startDrag(event, usable, file.path);
        }
      }}
    >
      <div className="jp-Pelagos-row">
        <span className="jp-Pelagos-name" title={file.path}>
          {file.path}
        </span>
        <span className="jp-Pelagos-dim">
          {file.size === null ? '' : `${format.bytes(file.size)} · `}
          <span className={`jp-Pelagos-state jp-mod-${file.state}`}>
            {fileStateText(trans, file.state)}
          </span>
        </span>
      </div>
      {isMoving && <Progress label={file.path} value={file.done / (file.size ?? 1)} />}
      {file.error && <p className="jp-Pelagos-bad">{file.error}</p>}
      {file.notes.map(note => (
        <p key={note} className="jp-Pelagos-dim">
          {note}
        </p>
      ))}
      {usable && (
        <div className="jp-Pelagos-buttons">
          <Button
            kind="link"
            aria-label={trans.__('Add %1 to the notebook', file.path)}
            onClick={() => void commands.execute(CommandIDs.insert, { what: usable })}
          >
            {trans.__('Add to notebook')}
          </Button>
          <Button
            kind="link"
            aria-label={trans.__('Copy the path of %1', file.path)}
            onClick={() => void commands.execute(CommandIDs.copyPath, { path: local })}
          >
            {trans.__('Copy path')}
          </Button>
        </div>
      )}
    </li>
  );
}
