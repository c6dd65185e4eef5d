import { IStateDB } from '@jupyterlab/statedb';
import { ReactNode, useId } from 'react';

import { Model, useModel } from '../model/base';

const KEY = 'jupyterlab-pelagos:search-groups';

export type GroupName = 'area' | 'time' | 'facets';
type Open = Record<GroupName, boolean>;

/** Which parts of the form are open; kept over a reload. */
export class Groups extends Model<Open> {
  constructor(private readonly db: IStateDB | null) {
    super({ area: true, time: false, facets: false });
  }

  toggle(name: GroupName): void {
    this.set({ [name]: !this.state[name] });
    void this.db?.save(KEY, this.state);
  }

  async restore(): Promise<void> {
    const kept = (await this.db?.fetch(KEY)) as Partial<Open> | undefined;
    for (const name of Object.keys(this.state) as GroupName[]) {
      if (typeof kept?.[name] === 'boolean') {
        this.set({ [name]: kept[name] });
      }
    }
  }
}

interface IGroupProps {
  groups: Groups;
  name: GroupName;
  title: string;
  /** What is chosen, said beside the title. */
  value: string;
  children: ReactNode;
}

/** A part of the form that can be folded away. */
export function Group({
  groups,
  name,
  title,
  value,
  children
}: IGroupProps): JSX.Element {
  const open = useModel(groups)[name];
  const id = useId();
  return (
    <section className="jp-Pelagos-group">
      <h3>
        <button
          type="button"
          className="jp-Pelagos-groupTitle"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => groups.toggle(name)}
        >
          <span className="jp-Pelagos-caret" aria-hidden="true" />
          <span>{title}</span>
          <span className="jp-Pelagos-groupValue" title={value}>
            {value}
          </span>
        </button>
      </h3>
      <div id={id} className="jp-Pelagos-groupBody" hidden={!open}>
        {open && children}
      </div>
    </section>
  );
}
