import { IStateDB } from '@jupyterlab/statedb';
import { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Token } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal } from '@lumino/signaling';
import { ComponentType } from 'react';

import { IApi } from './api';
import { BasketModel } from './model/basket';
import { Changes } from './model/changes';
import { CriteriaModel } from './model/search';
import { IAbout } from './types';

/** Settings of a person, from `schema/plugin.json`. */
export interface IPelagosSettings {
  /** A STAC API in place of the configured catalogue; empty for that. */
  catalogueUrl: string;
  /** Tiles behind the coastline, `{x} {y} {z}`; empty: nothing leaves this machine. */
  tileUrl: string;
  tileAttribution: string;
  /** Where orders go without a data pool. */
  orderFolder: string;
  notifyWhenReady: boolean;
}

/** What all plugins of the extension share. */
export interface IPelagos {
  readonly api: IApi;
  readonly changes: Changes;
  readonly basket: BasketModel;
  /** What is looked for in the side bar. */
  readonly criteria: CriteriaModel;
  readonly trans: TranslationBundle;
  readonly state: IStateDB | null;
  /** For what another plugin does: see `CommandIDs`. */
  readonly commands: CommandRegistry;
  /** What the server is and can. Asked again after it failed. */
  about(): Promise<IAbout>;
  readonly settings: IPelagosSettings;
  readonly settingsChanged: ISignal<IPelagos, void>;
}

export const IPelagos = new Token<IPelagos>(
  'jupyterlab-pelagos:IPelagos',
  'What the plugins of jupyterlab-pelagos share: the server extension, the basket, the search.'
);

/** A tab of the panel in the side bar. */
export interface ISection {
  id: string;
  title: string;
  icon: LabIcon;
  rank: number;
  /** Loaded when it is first shown, so that JupyterLab starts as quickly as before. */
  load: () => Promise<ComponentType>;
  /** A number beside the title, none if 0. */
  badge?: () => number;
  badgeChanged?: ISignal<unknown, unknown>;
}

export interface IPelagosPanel {
  add(section: ISection): IDisposable;
  /** Show the panel with this section. */
  reveal(id: string): void;
}

export const IPelagosPanel = new Token<IPelagosPanel>(
  'jupyterlab-pelagos:IPelagosPanel',
  'The side bar of jupyterlab-pelagos, to which plugins add sections.'
);

/** Names of commands, for plugins that call each other's. */
export const CommandIDs = {
  /** Open the panel; `section`: which of its tabs. */
  open: 'pelagos:open',
  /** Open granules in the main area; `collections`, `title`, `criteria`. */
  granules: 'pelagos:open-granules',
  /** Insert code into the notebook in front; `what`: an IUsable. */
  insert: 'pelagos:add-to-notebook',
  /** Copy a path to the clipboard; `path`. */
  copyPath: 'pelagos:copy-path',
  /** Show the search as code; `criteria`, `collections`. */
  queryAsCode: 'pelagos:query-as-code',
  /** Show an order's folder in the file browser; `path`. */
  reveal: 'pelagos:show-in-file-browser',
  /** Insert code for the newest order that is ready. */
  insertLastOrder: 'pelagos:add-last-order-to-notebook',
  /** Copy citations; `order`: its id (the newest if there is none), or `catalogue`, `collection`, `item`. */
  copyCitation: 'pelagos:copy-citation'
} as const;
