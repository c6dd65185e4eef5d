import { TranslationBundle } from '@jupyterlab/translation';

import * as format from '../common/format';
import { StorageModel } from '../model/storage';
import { IAreaStatus, IStorage } from '../types';

/** What fits into the status bar: the one thing that matters most now. */
export interface IGlance {
  level: 'ok' | 'busy' | 'warn' | 'bad';
  text: string;
  /** The same in a sentence or two. */
  title: string;
}

const SOON = 24 * 3600;
const FULL = 0.95;

/** Files of one's own areas that expire within a day, and when the first does. */
export function expiringSoon(
  areas: IAreaStatus[],
  now: number
): { count: number; first: number } | null {
  const soon = areas
    .filter(area => area.name !== 'pool')
    .flatMap(area => area.next)
    .filter(one => one.expires * 1000 - now < SOON * 1000);
  return soon.length
    ? { count: soon.length, first: Math.min(...soon.map(one => one.expires)) }
    : null;
}

/** Null while nothing is known, and where there is nothing to tell of. */
export function glanceOf(
  trans: TranslationBundle,
  model: StorageModel,
  now: number
): IGlance | null {
  const { storage, error } = model.state;
  if (!storage) {
    return error
      ? { level: 'warn', text: trans.__('Storage unknown'), title: error.message }
      : null;
  }
  return (
    lossGlance(trans, model, storage) ??
    workspaceGlance(trans, storage) ??
    dataspaceGlance(trans, storage, now) ??
    restGlance(trans, storage)
  );
}

function lossGlance(
  trans: TranslationBundle,
  model: StorageModel,
  storage: IStorage
): IGlance | null {
  const { home_free, home_total } = storage.server;
  if (model.isLossUnread) {
    return {
      level: 'bad',
      text: trans.__('Out of memory'),
      title: lossText(trans, storage)
    };
  }
  if (home_free !== null && home_total && home_free < home_total * (1 - FULL)) {
    return {
      level: 'warn',
      text: trans.__('Home almost full'),
      title: trans.__('Your home folder has %1 left.', format.bytes(home_free))
    };
  }
  return null;
}

function workspaceGlance(trans: TranslationBundle, storage: IStorage): IGlance | null {
  const { workspace, reason } = storage;
  if (!workspace) {
    return reason
      ? { level: 'warn', text: trans.__('Storage unknown'), title: reason }
      : null;
  }
  const { failed, pending, pending_bytes, state } = workspace;
  if (failed.length) {
    return {
      level: 'bad',
      text: trans._n('%1 upload failed', '%1 uploads failed', failed.length),
      title: `${failed[0].name}: ${failed[0].reason}`
    };
  }
  if (state === 'unavailable' || state === 'leaving') {
    return {
      level: 'bad',
      text: trans.__('Workspace not connected'),
      title: workspace.reason || trans.__('Your workspace is not connected.')
    };
  }
  if (state === 'mounting') {
    return {
      level: 'busy',
      text: trans.__('Workspace connecting …'),
      title: trans.__('Your workspace is being connected.')
    };
  }
  if (pending > 0) {
    return {
      level: 'busy',
      text: trans._n('%1 upload pending', '%1 uploads pending', pending),
      title: trans.__(
        '%1 on the way to your workspace. They go on when you close this page.',
        format.bytes(pending_bytes)
      )
    };
  }
  return null;
}

function dataspaceGlance(
  trans: TranslationBundle,
  storage: IStorage,
  now: number
): IGlance | null {
  const soon = expiringSoon(storage.dataspace?.areas ?? [], now);
  return (
    soon && {
      level: 'warn',
      text: trans._n(
        'Dataspace: %1 file expires %2',
        'Dataspace: %1 files expire, the first %2',
        soon.count,
        format.relative(soon.first, now)
      ),
      title: trans.__('Keep them in the workspace, or extend them.')
    }
  );
}

function restGlance(trans: TranslationBundle, storage: IStorage): IGlance | null {
  const { workspace, server } = storage;
  if (workspace?.state === 'mounted') {
    return {
      level: 'ok',
      text: trans.__('Workspace ✓'),
      title: trans.__('Your workspace is connected, and everything is uploaded.')
    };
  }
  if (server.memory_limit && server.memory_used !== null) {
    const { memory_used: used, memory_limit: limit } = server;
    return {
      level: used > limit * 0.9 ? 'warn' : 'ok',
      text: trans.__('Memory %1', format.percent(used / limit)),
      title: trans.__('%1 of %2 of memory used', format.bytes(used), format.bytes(limit))
    };
  }
  return null;
}

/** What happened when kernels were killed for memory. */
export function lossText(trans: TranslationBundle, { server }: IStorage): string {
  const many = trans._n(
    'A kernel was stopped because this server ran out of memory.',
    '%1 kernels were stopped because this server ran out of memory.',
    server.killed
  );
  return server.memory_limit
    ? `${many} ${trans.__('It has %1.', format.bytes(server.memory_limit))}`
    : many;
}
