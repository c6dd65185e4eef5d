import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import {
  Component,
  ComponentType,
  KeyboardEvent,
  ReactNode,
  Suspense,
  lazy
} from 'react';

import { keepFocus } from '../common/focus';
import { IPelagosPanel, ISection } from '../tokens';
import { pelagosIcon } from '../icons';

/** The side bar: tabs, each loaded when it is first shown. */
export class PelagosPanel extends ReactWidget implements IPelagosPanel {
  constructor(private readonly trans: TranslationBundle) {
    super();
    this.id = 'pelagos-panel';
    this.title.icon = pelagosIcon;
    this.title.caption = trans.__('Marine data');
    this.addClass('jp-Pelagos-panel');
    keepFocus(this.node);
  }

  /** Somebody asks for the panel. */
  get revealed(): ISignal<this, void> {
    return this._revealed;
  }

  add(section: ISection): IDisposable {
    const tab = { section, Body: lazy(async () => ({ default: await section.load() })) };
    this._tabs = [...this._tabs, tab].sort((a, b) => a.section.rank - b.section.rank);
    this._current ||= section.id;
    const redraw = () => this.update();
    section.badgeChanged?.connect(redraw);
    this.update();
    return new DisposableDelegate(() => {
      section.badgeChanged?.disconnect(redraw);
      this._tabs = this._tabs.filter(one => one !== tab);
      this.update();
    });
  }

  /** Turn to a section and ask for being shown. */
  reveal(id: string): void {
    this._select(id);
    this._revealed.emit();
  }

  get current(): string {
    return this._current;
  }

  protected override render(): JSX.Element {
    if (!this.isVisible && !this._visited.size) {
      return <></>;
    }
    this._visited.add(this._current);
    return (
      <Tabs
        tabs={this._tabs}
        current={this._current}
        visited={this._visited}
        trans={this.trans}
        onSelect={id => this._select(id)}
      />
    );
  }

  protected override onAfterShow(): void {
    this.update();
  }

  private _select(id: string): void {
    if (this._tabs.some(tab => tab.section.id === id)) {
      this._current = id;
      this.update();
    }
  }

  private _tabs: ITab[] = [];
  private _current = '';
  private readonly _visited = new Set<string>();
  private readonly _revealed = new Signal<this, void>(this);
}

interface ITab {
  section: ISection;
  Body: ComponentType;
}

interface ITabsProps {
  tabs: ITab[];
  current: string;
  visited: Set<string>;
  trans: TranslationBundle;
  onSelect: (id: string) => void;
}

function Tabs({ tabs, current, visited, trans, onSelect }: ITabsProps): JSX.Element {
  const onKey = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const index = tabs.findIndex(tab => tab.section.id === current);
    const goal =
      event.key === 'Home'
        ? 0
        : event.key === 'End'
          ? tabs.length - 1
          : step && (index + step + tabs.length) % tabs.length;
    if (goal !== undefined) {
      event.preventDefault();
      const { id } = tabs[goal].section;
      onSelect(id);
      document.getElementById(`pelagos-tab-${id}`)?.focus();
    }
  };
  return (
    <div className="jp-Pelagos-tabs">
      <div role="tablist" aria-label={trans.__('Marine data')} onKeyDown={onKey}>
        {tabs.map(({ section }) => {
          const count = section.badge?.() ?? 0;
          return (
            <button
              key={section.id}
              id={`pelagos-tab-${section.id}`}
              role="tab"
              type="button"
              className="jp-Pelagos-tab"
              aria-selected={section.id === current}
              aria-controls={`pelagos-section-${section.id}`}
              tabIndex={section.id === current ? 0 : -1}
              title={section.title}
              onClick={() => onSelect(section.id)}
            >
              <section.icon.react tag="span" aria-hidden="true" />
              <span className="jp-Pelagos-tabTitle">{section.title}</span>
              {count > 0 && <span className="jp-Pelagos-badge">{count}</span>}
            </button>
          );
        })}
      </div>
      {tabs.map(({ section, Body }) => (
        <div
          key={section.id}
          id={`pelagos-section-${section.id}`}
          role="tabpanel"
          className="jp-Pelagos-section"
          aria-labelledby={`pelagos-tab-${section.id}`}
          hidden={section.id !== current}
        >
          {visited.has(section.id) && (
            <Boundary
              message={trans.__('This part of the panel failed. Reload the page.')}
            >
              <Suspense
                fallback={<p className="jp-Pelagos-note">{trans.__('Loading …')}</p>}
              >
                <Body />
              </Suspense>
            </Boundary>
          )}
        </div>
      ))}
    </div>
  );
}

/** One broken section must not take the others with it. */
class Boundary extends Component<
  { message: string; children: ReactNode },
  { failed: boolean }
> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    console.error('jupyterlab-pelagos', error);
  }

  override render(): ReactNode {
    return this.state.failed ? (
      <p role="alert" className="jp-Pelagos-problem">
        {this.props.message}
      </p>
    ) : (
      this.props.children
    );
  }
}
