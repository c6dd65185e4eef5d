import { TranslationBundle } from '@jupyterlab/translation';
import { useState } from 'react';

import { Ago, Button, Live, Meter, format } from '../common';
import { StorageModel, actionOf } from '../model/storage';
import { IAbout, IAreaStatus, IKeeping, IStorage } from '../types';

const DAYS = 30;
const PAGE = 5;

interface IAreasProps {
  trans: TranslationBundle;
  model: StorageModel;
  storage: IStorage;
  about: IAbout | null;
  now: number;
}

/** The areas of the dataspace, and what expires when. */
export function Areas({ trans, model, storage, about, now }: IAreasProps): JSX.Element {
  const areas = storage.dataspace?.areas ?? [];
  return (
    <section aria-label={trans.__('Dataspace')}>
      <h3>{trans.__('Dataspace')}</h3>
      {!areas.length && (
        <p className="jp-Pelagos-dim">{trans.__('There is nothing here yet.')}</p>
      )}
      {areas.map(area => (
        <Area
          key={area.name}
          trans={trans}
          model={model}
          area={area}
          title={titleOf(trans, area.name, about)}
          keeping={storage.keeping.filter(one => one.area === area.name)}
          now={now}
        />
      ))}
    </section>
  );
}

function titleOf(trans: TranslationBundle, name: string, about: IAbout | null): string {
  switch (name) {
    case 'me':
      return trans.__('Yours');
    case 'pool':
      return trans.__('Data pool');
    case about?.virtual_lab:
      return about?.virtual_lab_title || name;
    default:
      return name;
  }
}

function Area({
  trans,
  model,
  area,
  title,
  keeping,
  now
}: {
  trans: TranslationBundle;
  model: StorageModel;
  area: IAreaStatus;
  title: string;
  keeping: IKeeping[];
  now: number;
}): JSX.Element {
  const { used, quota } = area;
  const days = Math.round(area.expires_after / 86400);
  return (
    <div role="group" aria-label={title} className="jp-Pelagos-area">
      <h4>{title}</h4>
      {area.state !== 'ready' && (
        <p className="jp-Pelagos-problem">
          {trans.__('Not available.')} {area.reason}
        </p>
      )}
      {used !== null && !!quota && (
        <Meter
          label={trans.__('Space in %1', title)}
          used={used}
          total={quota}
          level={used >= quota ? 'full' : undefined}
          text={trans.__('%1 of %2 used', format.bytes(used), format.bytes(quota))}
        />
      )}
      {used !== null && !quota && (
        <p className="jp-Pelagos-dim">{trans.__('%1 used', format.bytes(used))}</p>
      )}
      {area.name === 'pool' ? (
        <p className="jp-Pelagos-dim">
          {trans.__('Shared and read-only: what all orders have fetched.')}
        </p>
      ) : (
        <>
          {area.expires_after > 0 && (
            <p className="jp-Pelagos-dim">
              {trans._n(
                'Files expire a day after their last change.',
                'Files expire %1 days after their last change.',
                Math.max(1, days)
              )}
            </p>
          )}
          <Expiring trans={trans} model={model} area={area} title={title} now={now} />
          <Pinned trans={trans} model={model} area={area} now={now} />
        </>
      )}
      <Kept trans={trans} keeping={keeping} />
    </div>
  );
}

function Expiring({
  trans,
  model,
  area,
  title,
  now
}: {
  trans: TranslationBundle;
  model: StorageModel;
  area: IAreaStatus;
  title: string;
  now: number;
}): JSX.Element | null {
  const [all, setAll] = useState(false);
  const { next } = area;
  if (!next.length) {
    return null;
  }
  const shown = all ? next : next.slice(0, PAGE);
  const { busy } = model.state;
  const running = model.state.storage?.keeping.filter(one => one.state === 'running');
  return (
    <>
      <ul className="jp-Pelagos-list" aria-label={trans.__('Expires first: %1', title)}>
        {shown.map(({ path, expires }) => {
          const keeps =
            busy === actionOf('keep', area.name, path) ||
            running?.some(one => one.area === area.name && one.path === path);
          return (
            <li key={path} className="jp-Pelagos-file">
              <When
                path={path}
                when={expires}
                now={now}
                text={trans.__('expires %1', format.moment(expires))}
              />
              <div className="jp-Pelagos-buttons">
                <Button
                  kind="link"
                  aria-label={trans.__('Keep %1 in the workspace', path)}
                  aria-disabled={!!keeps}
                  onClick={() => void (keeps || model.keep(area.name, path))}
                >
                  {keeps ? trans.__('Copying …') : trans.__('Keep in workspace')}
                </Button>
                <Button
                  kind="link"
                  aria-label={trans.__('Extend %1 by %2 days', path, DAYS)}
                  aria-disabled={busy !== ''}
                  onClick={() => void model.pin(area.name, path, DAYS)}
                >
                  {trans.__('Extend %1 days', DAYS)}
                </Button>
              </div>
            </li>
          );
        })}
      </ul>
      {next.length > PAGE && !all && (
        <Button kind="link" onClick={() => setAll(true)}>
          {trans.__('Show %1 more', next.length - PAGE)}
        </Button>
      )}
    </>
  );
}

function Pinned({
  trans,
  model,
  area,
  now
}: {
  trans: TranslationBundle;
  model: StorageModel;
  area: IAreaStatus;
  now: number;
}): JSX.Element | null {
  if (!area.pins.length) {
    return null;
  }
  return (
    <>
      <h5>{trans.__('Extended')}</h5>
      <ul className="jp-Pelagos-list">
        {area.pins.map(({ path, until }) => (
          <li key={path} className="jp-Pelagos-file">
            <When
              path={path}
              when={until}
              now={now}
              text={trans.__('until %1', format.moment(until))}
            />
            <Button
              kind="link"
              aria-label={trans.__('Let %1 expire', path)}
              aria-disabled={model.state.busy !== ''}
              onClick={() => void model.unpin(area.name, path)}
            >
              {trans.__('Let expire')}
            </Button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** A path, and when something becomes of it: in how long, and the moment in words. */
function When({
  path,
  when,
  now,
  text
}: {
  path: string;
  when: number;
  now: number;
  text: string;
}): JSX.Element {
  return (
    <>
      <div className="jp-Pelagos-row">
        <span className="jp-Pelagos-name" title={path}>
          {path}
        </span>
        <span className="jp-Pelagos-dim">
          <Ago when={when} now={now} />
        </span>
      </div>
      <p className="jp-Pelagos-dim">{text}</p>
    </>
  );
}

/** Copies to the workspace: how they ended. */
function Kept({
  trans,
  keeping
}: {
  trans: TranslationBundle;
  keeping: IKeeping[];
}): JSX.Element | null {
  if (!keeping.length) {
    return null;
  }
  const words: Record<IKeeping['state'], string> = {
    running: trans.__('Copying to the workspace'),
    done: trans.__('Kept in the workspace'),
    failed: trans.__('Not kept')
  };
  const over = keeping.filter(one => one.state !== 'running');
  return (
    <>
      {/* how they end is said; how far they are would be said too often */}
      <Live text={over.map(one => `${words[one.state]}: ${one.path}`).join('. ')} />
      <ul className="jp-Pelagos-list" aria-label={trans.__('Copies')}>
        {keeping.map(({ id, path, state, message }) => (
          <li key={id} className={state === 'failed' ? 'jp-Pelagos-problem' : ''}>
            <strong>{words[state]}:</strong>{' '}
            <span className="jp-Pelagos-name">{path}</span>
            {message && <span className="jp-Pelagos-dim"> {message}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}
