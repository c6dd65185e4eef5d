import { Notification } from '@jupyterlab/apputils';

import { StorageModel, lossOf } from '../model/storage';
import { CommandIDs, IPelagos } from '../tokens';
import { IStorage } from '../types';
import { lossText } from './glance';

const KEY = 'jupyterlab-pelagos:told-storage';

interface ITold {
  uploads: string[];
  loss: string;
}

/** Tells once of each upload that failed, and of kernels that were lost for memory. */
export class StorageTeller {
  constructor(
    private readonly pelagos: IPelagos,
    private readonly model: StorageModel,
    private readonly store: Storage | null
  ) {
    this._told = kept(store);
    model.changed.connect(this._look, this);
  }

  private _look(): void {
    const { storage } = this.model.state;
    if (!storage || storage === this._seen) {
      return;
    }
    this._seen = storage;
    const workspace = storage.workspace;
    const before = this._told;
    const failed = workspace?.failed.map(one => one.name) ?? before?.uploads ?? [];
    // one that is tried again is not new if it fails again by itself
    const isQuiet = workspace !== null && !failed.length && !workspace.pending;
    const uploads = isQuiet ? [] : [...new Set([...(before?.uploads ?? []), ...failed])];
    this._told = { uploads, loss: lossOf(storage) };
    // what was so before this page was opened is shown, and not told as news
    if (before) {
      this._tellUploads(
        storage,
        failed.filter(name => !before.uploads.includes(name))
      );
      if (this._told.loss && this._told.loss !== before.loss && this.model.isLossUnread) {
        this._emit(lossText(this.pelagos.trans, storage));
      }
    }
    try {
      this.store?.setItem(KEY, JSON.stringify(this._told));
    } catch {
      // no room: then it is remembered while the page is there
    }
  }

  private _tellUploads(storage: IStorage, names: string[]): void {
    const { trans } = this.pelagos;
    const first = storage.workspace?.failed.find(one => one.name === names[0]);
    if (!first) {
      return;
    }
    this._emit(
      names.length > 1
        ? trans._n(
            '%1 upload to your workspace failed.',
            '%1 uploads to your workspace failed.',
            names.length
          )
        : trans.__(
            'The upload of %1 to your workspace failed: %2',
            first.name,
            first.reason
          )
    );
  }

  private _emit(message: string): void {
    const { commands, trans } = this.pelagos;
    Notification.emit(message, 'error', {
      autoClose: false,
      actions: [
        {
          label: trans.__('Show'),
          callback: () => void commands.execute(CommandIDs.open, { section: 'storage' })
        }
      ]
    });
  }

  private _told: ITold | null;
  private _seen: IStorage | null = null;
}

function kept(store: Storage | null): ITold | null {
  try {
    const found = JSON.parse(store?.getItem(KEY) ?? 'null') as ITold | null;
    return found && Array.isArray(found.uploads) ? found : null;
  } catch {
    return null;
  }
}
