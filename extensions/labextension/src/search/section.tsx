import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { ComponentType, useCallback, useEffect, useMemo, useState } from 'react';

import { Button, Live, Problem, useSlow } from '../common';
import { useModel } from '../model/base';
import { isEmpty } from '../model/search';
import { CommandIDs, IPelagos } from '../tokens';
import { Box, IAbout, ICollection } from '../types';
import { Area } from './area';
import { Collections } from './collections';
import { areaOf, chipsOf, namedIn } from './criteria';
import { Facets } from './facets';
import { Group, Groups } from './groups';
import { useCommand, useSettings } from './hooks';
import { SearchModel } from './model';
import { Chips, NoCatalogue, NoResults } from './states';
import { TextField } from './textField';
import { Time } from './time';
import { periodOf } from './times';

const NOWHERE: readonly Box[] = [];

/** The search of the side bar, with a model that lives as long as the page. */
export async function searchSection(pelagos: IPelagos): Promise<ComponentType> {
  const model = new SearchModel(
    pelagos.api,
    pelagos.criteria,
    () => pelagos.settings.catalogueUrl
  );
  const groups = new Groups(pelagos.state);
  await groups.restore().catch(() => undefined);
  return function Section() {
    return <SearchSection pelagos={pelagos} model={model} groups={groups} />;
  };
}

interface IProps {
  pelagos: IPelagos;
  model: SearchModel;
  groups: Groups;
}

/** Everything of step 1: what is asked for, and the data sets that have it. */
export function SearchSection({ pelagos, model, groups }: IProps): JSX.Element {
  const { criteria, trans, commands } = pelagos;
  const settings = useSettings(pelagos);
  const missing = useCatalogue(pelagos, model, settings.catalogueUrl);
  const [extents, setExtents] = useState(NOWHERE);
  if (missing === null) {
    return <p className="jp-Pelagos-note">{trans.__('Loading …')}</p>;
  }
  if (missing) {
    return <NoCatalogue commands={commands} trans={trans} />;
  }
  return (
    <div className="jp-Pelagos-search">
      <Form
        pelagos={pelagos}
        model={model}
        groups={groups}
        area={
          <Area criteria={criteria} trans={trans} settings={settings} extents={extents} />
        }
      />
      <Results pelagos={pelagos} model={model} onLook={setExtents} />
    </div>
  );
}

/** Whether there is nothing to search in; null while nobody knows. The search starts here. */
function useCatalogue(
  pelagos: IPelagos,
  model: SearchModel,
  url: string
): boolean | null {
  const [about, setAbout] = useState<Pick<IAbout, 'catalogue'> | null>(null);
  useEffect(() => {
    let over = false;
    pelagos
      .about()
      // the search itself will say why
      .catch(() => ({ catalogue: 'vre' as const }))
      .then(found => !over && setAbout(found));
    return () => {
      over = true;
    };
  }, [pelagos]);
  const missing = about && about.catalogue === 'none' && !url;
  const [before, setBefore] = useState(url);
  useEffect(() => {
    if (missing === false) {
      model.start();
    }
  }, [missing, model]);
  useEffect(() => {
    if (url !== before) {
      setBefore(url);
      model.forget();
    }
  }, [url, before, model]);
  return missing;
}

function Form({
  pelagos,
  model,
  groups,
  area
}: IProps & { area: JSX.Element }): JSX.Element {
  const { criteria, trans } = pelagos;
  const { bbox, start, end, facets } = useModel(criteria);
  const { vocabulary } = useModel(model);
  const chosen = Object.values(facets).flat().length;
  const chips = chipsOf(criteria.state, vocabulary, trans);
  return (
    <form
      role="search"
      aria-label={trans.__('Marine data')}
      onSubmit={event => event.preventDefault()}
    >
      <TextField criteria={criteria} model={model} trans={trans} />
      <Group
        groups={groups}
        name="area"
        title={trans.__('Area')}
        value={bbox ? areaOf(bbox, trans) : trans.__('anywhere')}
      >
        {area}
      </Group>
      <Group
        groups={groups}
        name="time"
        title={trans.__('Time')}
        value={periodOf(start, end, trans) || trans.__('any time')}
      >
        <Time criteria={criteria} trans={trans} />
      </Group>
      <Group
        groups={groups}
        name="facets"
        title={trans.__('Kind of data')}
        value={
          chosen ? trans._n('%1 chosen', '%1 chosen', chosen) : trans.__('all kinds')
        }
      >
        <Facets criteria={criteria} model={model} trans={trans} />
      </Group>
      {/* below the map, or it would jump while somebody draws on it */}
      <Chips chips={chips} criteria={criteria} trans={trans} />
    </form>
  );
}

interface IResultsProps {
  pelagos: IPelagos;
  model: SearchModel;
  onLook: (boxes: readonly Box[]) => void;
}

function Results({ pelagos, model, onLook }: IResultsProps): JSX.Element {
  const { criteria, trans, commands } = pelagos;
  const state = useModel(model);
  const { collections, answered, searching, error, matchedText, vocabulary } = state;
  const canOpen = useCommand(commands, CommandIDs.granules);
  const patience = useSlow(searching)
    ? answered && !error
      ? trans.__('The catalogue is slow to answer. This is what was found before:')
      : trans.__('The catalogue is slow to answer.')
    : '';
  const open = useCallback(
    (chosen: ICollection[]) => {
      const [first] = chosen;
      void commands.execute(CommandIDs.granules, {
        collections: chosen.map(one => one.id),
        title:
          chosen.length === 1
            ? first.title || first.id
            : trans._n('%1 data set', '%1 data sets', chosen.length),
        titles: Object.fromEntries(chosen.map(one => [one.id, one.title])),
        vocabulary: namedIn(criteria.state, vocabulary),
        criteria: criteria.state
      } as unknown as ReadonlyPartialJSONObject);
    },
    [commands, criteria, trans, vocabulary]
  );
  const count = matchedText || String(collections.length);
  const title = useMemo(
    () =>
      !answered || error
        ? trans.__('Data sets')
        : isEmpty(answered)
          ? trans.__('All data sets (%1)', count)
          : trans.__('Data sets (%1)', count),
    [answered, error, count, trans]
  );
  return (
    <section
      className="jp-Pelagos-results"
      aria-label={trans.__('Results')}
      aria-busy={searching}
    >
      <div className="jp-Pelagos-busy" data-busy={searching || undefined} aria-hidden />
      <h3>{title}</h3>
      <Live text={patience || said(state, count, pelagos)} />
      {patience && <p className="jp-Pelagos-note">{patience}</p>}
      {error ? (
        <Problem trans={trans} error={error} onRetry={() => void model.search()} />
      ) : !answered ? (
        !patience && <p className="jp-Pelagos-note">{trans.__('Searching …')}</p>
      ) : !collections.length ? (
        <NoResults
          chips={chipsOf(answered, vocabulary, trans)}
          criteria={criteria}
          trans={trans}
        />
      ) : (
        <>
          <Actions pelagos={pelagos} model={model} onOpen={canOpen ? open : null} />
          <Collections
            model={model}
            trans={trans}
            onLook={onLook}
            onOpen={canOpen ? open : null}
          />
        </>
      )}
    </section>
  );
}

interface IActionsProps {
  pelagos: IPelagos;
  model: SearchModel;
  onOpen: ((collections: ICollection[]) => void) | null;
}

function Actions({ pelagos, model, onOpen }: IActionsProps): JSX.Element {
  const { criteria, trans, commands } = pelagos;
  const { collections, matches } = useModel(model);
  const asCode = useCommand(commands, CommandIDs.queryAsCode);
  const some = collections.filter(one => matches[one.id]?.count !== 0);
  return (
    <div className="jp-Pelagos-buttons">
      <Button
        disabled={!onOpen || !some.length}
        title={
          !onOpen
            ? trans.__('The part of this extension that lists granules is switched off.')
            : trans.__('Open the granules of the data sets below in one list')
        }
        onClick={() => onOpen?.(some)}
      >
        {trans.__('All granules of these')}
      </Button>
      <Button
        disabled={!asCode}
        title={
          asCode
            ? trans.__('Show this search as code, to repeat it in a script')
            : trans.__('The part of this extension that writes code is switched off.')
        }
        onClick={() =>
          void commands.execute(CommandIDs.queryAsCode, {
            criteria: criteria.state,
            collections: []
          } as unknown as ReadonlyPartialJSONObject)
        }
      >
        {trans.__('Open query as code')}
      </Button>
    </div>
  );
}

/** What is said to who does not see the list. */
function said(
  { searching, error, answered, matched }: SearchModel['state'],
  count: string,
  { trans }: IPelagos
): string {
  return searching || error || !answered
    ? ''
    : trans._n('%2 data set found', '%2 data sets found', matched ?? 2, count);
}
