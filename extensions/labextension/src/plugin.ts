import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { Api } from './api';
import { pelagosIcon } from './icons';
import { BasketModel } from './model/basket';
import { Changes } from './model/changes';
import { CriteriaModel } from './model/search';
import { PelagosPanel } from './panel/panel';
import { CommandIDs, IPelagos, IPelagosPanel, IPelagosSettings } from './tokens';
import { IAbout, NO_CRITERIA } from './types';
import { translateSettings } from './use/settings';

export const DOMAIN = 'jupyterlab_pelagos';
const ID = 'jupyterlab-pelagos:plugin';

const DEFAULTS: IPelagosSettings = {
  catalogueUrl: '',
  tileUrl: '',
  tileAttribution: '',
  orderFolder: 'pelagos-orders',
  notifyWhenReady: true
};

/** What the others share. */
export const session: JupyterFrontEndPlugin<IPelagos> = {
  id: ID,
  description: 'Marine data: the connection to the server, the basket and the search.',
  autoStart: true,
  provides: IPelagos,
  optional: [ISettingRegistry, IStateDB, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    registry: ISettingRegistry | null,
    state: IStateDB | null,
    translator: ITranslator | null
  ): IPelagos => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const api = new Api(app.serviceManager.serverSettings, trans);
    const changes = new Changes(app.serviceManager.events);
    const shared = new Session(
      api,
      changes,
      new BasketModel(api, changes),
      new CriteriaModel(NO_CRITERIA, state),
      trans,
      state,
      app.commands
    );
    void app.restored.then(async () => {
      await shared.criteria.restore();
      await shared.basket.load();
    });
    if (registry) {
      translateSettings(registry, ID, trans);
    }
    void registry
      ?.load(ID)
      .then(found => {
        const take = () => shared.take(found.composite as Partial<IPelagosSettings>);
        found.changed.connect(take);
        take();
      })
      .catch(reason => console.error(`Settings of ${ID} can't be read:`, reason));
    return shared;
  }
};

class Session implements IPelagos {
  constructor(
    readonly api: Api,
    readonly changes: Changes,
    readonly basket: BasketModel,
    readonly criteria: CriteriaModel,
    readonly trans: IPelagos['trans'],
    readonly state: IStateDB | null,
    readonly commands: JupyterFrontEnd['commands']
  ) {}

  about(): Promise<IAbout> {
    this._about ??= this.api.about().catch(error => {
      this._about = null;
      throw error;
    });
    return this._about;
  }

  take(found: Partial<IPelagosSettings>): void {
    this.settings = { ...DEFAULTS, ...found };
    this.settingsChanged.emit();
  }

  settings = DEFAULTS;
  readonly settingsChanged: Signal<IPelagos, void> = new Signal<IPelagos, void>(this);
  private _about: Promise<IAbout> | null = null;
}

/** The side bar, its launcher card and its command. */
export const panel: JupyterFrontEndPlugin<IPelagosPanel> = {
  id: 'jupyterlab-pelagos:panel',
  description: 'Marine data: the panel in the side bar.',
  autoStart: true,
  provides: IPelagosPanel,
  requires: [IPelagos],
  optional: [ILayoutRestorer, ICommandPalette, ILauncher],
  activate: (
    app: JupyterFrontEnd,
    { trans }: IPelagos,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null
  ): IPelagosPanel => {
    const widget = new PelagosPanel(trans);
    widget.revealed.connect(() => app.shell.activateById(widget.id));
    app.shell.add(widget, 'left', { rank: 150, type: 'Marine data' });
    restorer?.add(widget, widget.id);
    app.commands.addCommand(CommandIDs.open, {
      label: args => {
        const labels: Record<string, string> = {
          basket: trans.__('Show the basket'),
          orders: trans.__('Show orders'),
          storage: trans.__('Show storage')
        };
        return args.isLauncher
          ? trans.__('Marine data')
          : (labels[String(args.section)] ?? trans.__('Search marine data'));
      },
      caption: trans.__('Find data of the marine infrastructures, order and open them'),
      icon: pelagosIcon,
      execute: args => widget.reveal(String(args.section ?? 'search'))
    });
    palette?.addItem({ command: CommandIDs.open, category: trans.__('Marine data') });
    launcher?.add({
      command: CommandIDs.open,
      category: trans.__('Marine data'),
      args: { isLauncher: true }
    });
    return widget;
  }
};
