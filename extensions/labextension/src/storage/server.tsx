import { TranslationBundle } from '@jupyterlab/translation';

import { Ago, Button, Link, Meter, format } from '../common';
import { StorageModel } from '../model/storage';
import { IAbout, IStorage } from '../types';
import { lossText } from './glance';

/** Cores, memory and home of this server. */
export function Server({
  trans,
  storage
}: {
  trans: TranslationBundle;
  storage: IStorage;
}): JSX.Element {
  const { cores, memory_limit, memory_used, home_free, home_total } = storage.server;
  return (
    <section aria-label={trans.__('This server')}>
      <h3>{trans.__('This server')}</h3>
      <p>{trans._n('%1 core', '%1 cores', Math.round(cores * 10) / 10)}</p>
      {memory_used !== null && !!memory_limit && (
        <Meter
          label={trans.__('Memory')}
          used={memory_used}
          total={memory_limit}
          text={trans.__(
            'Memory: %1 of %2 used',
            format.bytes(memory_used),
            format.bytes(memory_limit)
          )}
        />
      )}
      {memory_used !== null && !memory_limit && (
        <p>{trans.__('Memory: %1 used, no limit is set', format.bytes(memory_used))}</p>
      )}
      {home_free !== null && !!home_total && (
        <Meter
          label={trans.__('Space in your home')}
          used={home_total - home_free}
          total={home_total}
          text={trans.__(
            'Home: %1 of %2 free',
            format.bytes(home_free),
            format.bytes(home_total)
          )}
        />
      )}
    </section>
  );
}

/** What to do when memory was not enough, until that was read. */
export function Loss({
  trans,
  model,
  storage,
  links,
  now
}: {
  trans: TranslationBundle;
  model: StorageModel;
  storage: IStorage;
  links: IAbout['links'];
  now: number;
}): JSX.Element | null {
  const { killed_at } = storage.server;
  if (!model.isLossUnread) {
    return null;
  }
  return (
    <div role="alert" className="jp-Pelagos-problem">
      <strong>{lossText(trans, storage)}</strong>{' '}
      {killed_at && <Ago when={killed_at} now={now} />}{' '}
      <p>
        {trans.__(
          'Work on smaller pieces of the data, close notebooks that you do not need, or start a server of a larger size.'
        )}
      </p>
      <div className="jp-Pelagos-buttons">
        {links.home && <Link url={links.home}>{trans.__('Choose a larger size')}</Link>}
        <Button onClick={() => model.dismiss()}>{trans.__('Understood')}</Button>
      </div>
    </div>
  );
}
