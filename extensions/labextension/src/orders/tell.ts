import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { OrdersModel, isUnderWay, shareOf } from '../model/orders';
import { CommandIDs, IPelagos } from '../tokens';
import { IOrder } from '../types';
import { nameOf } from './words';

const KEY = 'jupyterlab-pelagos:watched-orders';

/**
 * Tells when an order that was under way is over, wherever the person looks.
 *
 * What is watched is kept for as long as the tab of the browser: an order that became ready while
 * the page was loaded again is told of, and none twice.
 */
export class Teller {
  constructor(
    private readonly pelagos: IPelagos,
    private readonly model: OrdersModel,
    private readonly store: Storage | null
  ) {
    for (const id of kept(store)) {
      this._watched.set(id, '');
    }
    model.changed.connect(this.look, this);
    model.placed.connect((_, order) => {
      this._watched.set(order.id, this._watched.get(order.id) ?? '');
      this.look();
    });
  }

  /** Look at the orders as they are. */
  look(): void {
    const { orders } = this.model.state;
    if (!orders) {
      return;
    }
    for (const order of orders) {
      const note = this._watched.get(order.id);
      if (isUnderWay(order)) {
        this._watched.set(order.id, this._follow(order, note ?? ''));
      } else if (note !== undefined) {
        this._watched.delete(order.id);
        this._tell(order, note);
      }
    }
    const known = new Set(orders.map(one => one.id));
    for (const notes of [this._watched, this._told]) {
      for (const [id, note] of notes) {
        // forgotten, here or elsewhere
        if (!known.has(id)) {
          notes.delete(id);
          drop(note);
        }
      }
    }
    try {
      this.store?.setItem(KEY, JSON.stringify([...this._watched.keys()]));
    } catch {
      // no room: then it is told of while the page is there
    }
  }

  /** A quiet note in the list of notifications, with the progress; its id. */
  private _follow(order: IOrder, note: string): string {
    const { trans, settings } = this.pelagos;
    if (!settings.notifyWhenReady) {
      return note;
    }
    const message = trans.__('Fetching %1', nameOf(trans, order));
    const progress = Math.floor((shareOf(order) ?? 0) * 20) / 20;
    if (!note || !Notification.manager.has(note)) {
      // one that was dismissed is wanted no more
      return (
        note || Notification.emit(message, 'in-progress', { autoClose: 0, progress })
      );
    }
    if (this._progress.get(order.id) !== progress) {
      Notification.update({ id: note, message, type: 'in-progress', progress });
    }
    this._progress.set(order.id, progress);
    return note;
  }

  private _tell(order: IOrder, note: string): void {
    const { settings, trans } = this.pelagos;
    this._progress.delete(order.id);
    if (!settings.notifyWhenReady || !['ready', 'failed'].includes(order.state)) {
      drop(note);
      return;
    }
    const isReady = order.state === 'ready';
    const message = messageOf(trans, order);
    const type = isReady ? 'success' : 'error';
    const options = {
      autoClose: isReady ? 30_000 : (false as const),
      actions: this._actions(order),
      progress: undefined
    };
    const isThere = note && Notification.update({ id: note, message, type, ...options });
    this._told.set(order.id, isThere ? note : Notification.emit(message, type, options));
    if (document.hidden) {
      callBack(trans, order, message, () => this._show(order));
    }
  }

  private _actions(order: IOrder): Notification.IAction[] {
    const { commands, trans } = this.pelagos;
    const show = { label: trans.__('Show'), callback: () => this._show(order) };
    if (order.state !== 'ready') {
      return [show];
    }
    return [
      {
        label: trans.__('Add to notebook'),
        displayType: 'accent' as const,
        callback: () =>
          void commands.execute(CommandIDs.insert, {
            what: { kind: 'order', order } as never
          })
      },
      show
    ];
  }

  private _show(order: IOrder): void {
    this.model.focus(order.id);
    void this.pelagos.commands.execute(CommandIDs.open, { section: 'orders' });
  }

  /** By the order's id, that of its note; empty if it has none. */
  private readonly _watched = new Map<string, string>();
  /** The same of those that are over. */
  private readonly _told = new Map<string, string>();
  private readonly _progress = new Map<string, number>();
}

// dismissing none would be dismissing all
function drop(note: string): void {
  if (note) {
    Notification.dismiss(note);
  }
}

function messageOf(trans: TranslationBundle, order: IOrder): string {
  const name = nameOf(trans, order);
  return order.state === 'ready'
    ? trans.__('%1 is ready.', name)
    : trans.__('%1 failed. %2', name, order.error).trim();
}

/** For who looks at another tab: in the title, and by the system if that was allowed before. */
function callBack(
  trans: TranslationBundle,
  order: IOrder,
  message: string,
  onClick: () => void
): void {
  const mark = order.state === 'ready' ? '✓' : '⚠';
  const title = document.title.replace(/^[✓⚠] /u, '');
  document.title = `${mark} ${title}`;
  const unmark = () => {
    if (!document.hidden) {
      document.removeEventListener('visibilitychange', unmark);
      document.title = document.title.replace(/^[✓⚠] /u, '');
    }
  };
  document.addEventListener('visibilitychange', unmark);
  const system = window.Notification;
  if (system?.permission === 'granted') {
    const told = new system(trans.__('Marine data'), { body: message, tag: order.id });
    told.onclick = () => {
      window.focus();
      onClick();
    };
  }
}

function kept(store: Storage | null): string[] {
  try {
    const found: unknown = JSON.parse(store?.getItem(KEY) ?? '[]');
    return Array.isArray(found) ? found.filter(one => typeof one === 'string') : [];
  } catch {
    return [];
  }
}
