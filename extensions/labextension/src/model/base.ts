import { ISignal, Signal } from '@lumino/signaling';
import { useSyncExternalStore } from 'react';

/**
 * State without a user interface, and one signal when it changes.
 *
 * `state` is replaced as a whole and never changed in place, so that React sees what is new.
 */
export class Model<S extends object> {
  constructor(state: S) {
    this._state = state;
  }

  get state(): S {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  protected set(part: Partial<S>): void {
    if (this._isDisposed) {
      return;
    }
    this._state = { ...this._state, ...part };
    this._changed.emit();
  }

  private _state: S;
  private _isDisposed = false;
  private readonly _changed = new Signal<this, void>(this);
}

/** A model's state in a component, which is drawn again when it changes. */
export function useModel<S extends object>(model: Model<S>): S {
  return useSyncExternalStore(
    listener => {
      model.changed.connect(listener);
      return () => {
        model.changed.disconnect(listener);
      };
    },
    () => model.state
  );
}
