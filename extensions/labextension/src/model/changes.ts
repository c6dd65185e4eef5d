import { Event } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import { IChange } from '../types';

export const SCHEMA_ID = 'urn:pelagos:jupyterlab:changed';

/**
 * What the server extension tells of changes.
 *
 * Anybody who may reach the server may send such events, and none is repeated: one is a reason to
 * ask, and no more.
 */
export class Changes {
  constructor(events: Event.IManager) {
    events.stream.connect(this._onEvent, this);
  }

  get changed(): ISignal<this, IChange> {
    return this._changed;
  }

  private _onEvent(_: Event.IManager, event: Event.Emission): void {
    if (event.schema_id === SCHEMA_ID) {
      const { kind, id, sequence } = event as unknown as IChange;
      this._changed.emit({ kind, id, sequence });
    }
  }

  private readonly _changed = new Signal<this, IChange>(this);
}
