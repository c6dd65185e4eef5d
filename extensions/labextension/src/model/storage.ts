import { IStateDB } from '@jupyterlab/statedb';
import { Poll } from '@lumino/polling';

import { ApiError, IApi } from '../api';
import { IStorage } from '../types';
import { oneAtATime } from './again';
import { Model } from './base';
import { Changes } from './changes';

const INTERVAL = 60_000;
const SLOWEST = 10 * 60_000;
/** Changes come in crowds. */
const GATHER = 300;
const KEY = 'jupyterlab-pelagos:memory-told';

export interface IStorageState {
  /** Null until it was asked for. */
  storage: IStorage | null;
  /** Why it could not be had; `storage` is then that of the last time. */
  error: ApiError | null;
  /** What is being done: `retry`, or an action with area and path (`keep me run1`). */
  busy: string;
  /** What was not done, and why. */
  failure: { what: string; error: ApiError } | null;
  /** Which loss of kernels was read: see `lossOf`. */
  dismissed: string;
}

/** Which loss of kernels this is; empty if there was none. Another one is told again. */
export function lossOf({ server }: IStorage): string {
  return server.killed > 0 ? `${server.killed_at ?? ''} ${server.killed}` : '';
}

/** What an action is called in `busy` and `failure`. */
export function actionOf(kind: 'keep' | 'pin' | 'unpin', area: string, path: string) {
  return `${kind} ${area} ${path}`;
}

/** Workspace, dataspace and this server: asked slowly, and when the server says so. */
export class StorageModel extends Model<IStorageState> {
  /** `db` keeps over a reload what was read. */
  constructor(
    private readonly api: IApi,
    changes: Changes,
    private readonly db: IStateDB | null = null
  ) {
    super({ storage: null, error: null, busy: '', failure: null, dismissed: '' });
    changes.changed.connect((_, change) => {
      if (change.kind === 'storage' || change.kind === 'memory') {
        this._gathering ??= window.setTimeout(() => {
          this._gathering = null;
          void this.load();
        }, GATHER);
      }
    });
    this._poll = new Poll({
      auto: false,
      name: 'jupyterlab-pelagos:storage',
      factory: () => this._load(),
      frequency: { interval: INTERVAL, backoff: true, max: SLOWEST },
      standby: 'when-hidden'
    });
    document.addEventListener('visibilitychange', this._onVisible);
  }

  get failedUploads(): number {
    return this.state.storage?.workspace?.failed.length ?? 0;
  }

  /** Kernels were lost for memory, and nobody has read that yet. */
  get isLossUnread(): boolean {
    const { storage, dismissed } = this.state;
    return storage !== null && lossOf(storage) !== '' && lossOf(storage) !== dismissed;
  }

  async start(): Promise<void> {
    const kept = await this.db?.fetch(KEY);
    if (typeof kept === 'string') {
      this.set({ dismissed: kept });
    }
    await this.load();
    // asked just now
    await this._poll.schedule({ phase: 'started', interval: INTERVAL });
  }

  /** Ask now. Raises nothing: what went wrong is in the state. */
  async load(): Promise<void> {
    await this._load().catch(() => undefined);
  }

  /** Mount again and upload again. */
  retry(): Promise<void> {
    return this._act('retry', () => this.api.retryStorage());
  }

  keep(area: string, path: string): Promise<void> {
    return this._act(actionOf('keep', area, path), () => this.api.keep(area, path));
  }

  pin(area: string, path: string, days: number): Promise<void> {
    return this._act(actionOf('pin', area, path), () => this.api.pin(area, path, days));
  }

  unpin(area: string, path: string): Promise<void> {
    return this._act(actionOf('unpin', area, path), () => this.api.unpin(area, path));
  }

  /** It was read that kernels were lost. */
  dismiss(): void {
    const { storage } = this.state;
    if (storage) {
      this.set({ dismissed: lossOf(storage) });
      void this.db?.save(KEY, lossOf(storage));
    }
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this._onVisible);
    this._poll.dispose();
    super.dispose();
  }

  private async _ask(): Promise<void> {
    const began = ++this._counter;
    try {
      this._take(began, await this.api.storage());
    } catch (error) {
      this.set({ error: error as ApiError });
      throw error;
    }
  }

  private async _act(what: string, ask: () => Promise<IStorage>): Promise<void> {
    if (this.state.busy) {
      return;
    }
    this.set({ busy: what, failure: null });
    const began = ++this._counter;
    try {
      this._take(began, await ask());
    } catch (error) {
      this.set({ failure: { what, error: error as ApiError } });
    } finally {
      this.set({ busy: '' });
    }
  }

  private _take(began: number, storage: IStorage): void {
    // an answer to an older question says what was
    if (began > this._taken) {
      this._taken = began;
      this.set({ storage, error: null });
    }
  }

  private readonly _onVisible = () => {
    if (!document.hidden && this._taken) {
      void this.load();
    }
  };

  private readonly _load = oneAtATime(() => this._ask());
  private readonly _poll: Poll<void>;
  private _counter = 0;
  private _taken = 0;
  private _gathering: number | null = null;
}
