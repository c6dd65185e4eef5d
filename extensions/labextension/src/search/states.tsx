import { CommandRegistry } from '@lumino/commands';
import { TranslationBundle } from '@jupyterlab/translation';

import { Button } from '../common';
import { CriteriaModel } from '../model/search';
import { ICriteria, NO_CRITERIA } from '../types';
import { IChip } from './criteria';
import { useCommand } from './hooks';

interface IChipsProps {
  chips: IChip[];
  criteria: CriteriaModel;
  trans: TranslationBundle;
}

/** All that is asked for; each can be taken away. */
export function Chips({ chips, criteria, trans }: IChipsProps): JSX.Element | null {
  if (!chips.length) {
    return null;
  }
  return (
    <div className="jp-Pelagos-chips">
      <ul aria-label={trans.__('What is asked for')}>
        {chips.map(chip => (
          <li key={chip.key} className="jp-Pelagos-chip" tabIndex={-1}>
            <span title={`${chip.kind}: ${chip.text}`}>{chip.text}</span>
            <button
              type="button"
              aria-label={trans.__('Remove %1: %2', chip.kind, chip.text)}
              title={trans.__('Remove')}
              onClick={() => criteria.change(chip.without)}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      {chips.length > 1 && (
        <Button kind="link" onClick={() => criteria.change(withoutAll(chips))}>
          {trans.__('Clear all')}
        </Button>
      )}
    </div>
  );
}

/** Without what these stand for. Words are kept where they are not among them. */
function withoutAll(chips: IChip[]): Partial<ICriteria> {
  const { q, ...others } = NO_CRITERIA;
  return chips.some(one => one.key === 'q') ? { q, ...others } : others;
}

/** Nothing matches all that is asked for: what to let go. */
export function NoResults({ chips, criteria, trans }: IChipsProps): JSX.Element {
  return (
    <div className="jp-Pelagos-note">
      {chips.length ? (
        <>
          <p>{trans.__('No data set matches all of this. Search again without:')}</p>
          <div className="jp-Pelagos-buttons">
            {chips.map(chip => (
              <Button key={chip.key} onClick={() => criteria.change(chip.without)}>
                {chip.kind}: {chip.text}
              </Button>
            ))}
          </div>
        </>
      ) : (
        <p>{trans.__('The catalogue has no data sets yet.')}</p>
      )}
    </div>
  );
}

const SETTINGS = 'settingeditor:open';

/** Nobody said where to search. */
export function NoCatalogue({
  commands,
  trans
}: {
  commands: CommandRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const there = useCommand(commands, SETTINGS);
  return (
    <div className="jp-Pelagos-note">
      <p>
        {trans.__(
          'This server has no catalogue to search. Give the address of a STAC API in the settings under “Marine data”.'
        )}
      </p>
      <Button
        kind="accept"
        disabled={!there}
        title={there ? '' : trans.__('The settings editor is switched off.')}
        onClick={() => void commands.execute(SETTINGS, { query: 'Marine data' })}
      >
        {trans.__('Open the settings')}
      </Button>
    </div>
  );
}
