import { TranslationBundle } from '@jupyterlab/translation';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { PointerEvent, ReactNode, useId, useState } from 'react';

import { Button, Link, Problem, isAddress } from '../common';
import { placeText } from '../map/geometry';
import { useModel } from '../model/base';
import { CommandIDs, IPelagos } from '../tokens';
import { IAsset, ICitation, IGranule, IGranuleDetails } from '../types';
import { copyText } from '../use/clipboard';
import { AddModel } from './addAll';
import { DetailsModel } from './details';
import { sizeText, spanText } from './format';
import { GranulesModel } from './model';
import { PreviewPart } from './preview';
import { usableOf } from './usable';

interface IProps {
  pelagos: IPelagos;
  granules: GranulesModel;
  details: DetailsModel;
  adding: AddModel;
  onPress: (event: PointerEvent, granule: IGranule, path: string | null) => void;
}

/** All that is known of the granule in focus, and what can be done with it. */
export function DetailsPane(props: IProps): JSX.Element {
  const { pelagos, details } = props;
  const { trans } = pelagos;
  const { of, loading, error, details: found } = useModel(details);
  const id = useId();
  return (
    <section
      role="region"
      aria-label={trans.__('Details')}
      aria-busy={loading}
      className="jp-Pelagos-details"
      tabIndex={0}
      id={id}
    >
      {!of && (
        <p className="jp-Pelagos-note">
          {trans.__(
            'Choose a granule in the list or on the map to see what is known of it.'
          )}
        </p>
      )}
      {loading && (
        <p role="status" className="jp-Pelagos-note">
          {trans.__('Loading the details …')}
        </p>
      )}
      <Problem trans={trans} error={error} onRetry={() => void details.retry()} />
      {found && (
        <>
          <Head {...props} found={found} />
          <PreviewPart model={details} trans={trans} />
          <Files assets={found.assets} isHere={found.path !== null} trans={trans} />
          <Rights found={found} trans={trans} />
          <Metadata found={found} titles={props.adding.titles} trans={trans} />
        </>
      )}
    </section>
  );
}

function Head({
  pelagos,
  granules,
  adding,
  found,
  onPress
}: IProps & { found: IGranuleDetails }): JSX.Element {
  const { trans, commands, basket } = pelagos;
  useModel(basket);
  const { phase } = useModel(adding);
  const inBasket = basket.has(found.collection, found.id);
  const run = (command: string, args: object) =>
    void commands.execute(command, args as ReadonlyPartialJSONObject);
  return (
    <header className="jp-Pelagos-part">
      <div className="jp-Pelagos-line">
        <span
          className="jp-Pelagos-handle"
          aria-hidden="true"
          title={trans.__('Drag into a notebook')}
          onPointerDown={event => onPress(event, found, found.path)}
        >
          ⠿
        </span>
        <h2>{found.title || found.id}</h2>
      </div>
      {found.title && found.title !== found.id && (
        <p className="jp-Pelagos-faint">{found.id}</p>
      )}
      {found.description && <p className="jp-Pelagos-abstract">{found.description}</p>}
      <div className="jp-Pelagos-buttons">
        {inBasket ? (
          <Button onClick={() => void basket.remove([found])}>
            {trans.__('Remove from basket')}
          </Button>
        ) : (
          <Button
            kind="accept"
            disabled={phase !== 'idle' || !found.files}
            title={found.files ? undefined : trans.__('It has no file to fetch')}
            onClick={() => void adding.add([found])}
          >
            {trans.__('Add to basket')}
          </Button>
        )}
        {commands.hasCommand(CommandIDs.insert) && (
          <Button
            onClick={() =>
              run(CommandIDs.insert, { what: usableOf(found, granules.catalogue, found) })
            }
          >
            {trans.__('Add to notebook')}
          </Button>
        )}
        {found.path !== null && commands.hasCommand(CommandIDs.copyPath) && (
          <Button onClick={() => run(CommandIDs.copyPath, { path: found.path })}>
            {trans.__('Copy path')}
          </Button>
        )}
      </div>
    </header>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }): JSX.Element {
  const id = useId();
  return (
    <section aria-labelledby={id} className="jp-Pelagos-part">
      <h3 id={id}>{title}</h3>
      {children}
    </section>
  );
}

function Files({
  assets,
  isHere,
  trans
}: {
  assets: IAsset[];
  isHere: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  return (
    <Part title={trans.__('Files')}>
      {!assets.length && (
        <p className="jp-Pelagos-note">{trans.__('The catalogue names no file.')}</p>
      )}
      <ul className="jp-Pelagos-assets">
        {assets.map(asset => (
          <li key={asset.key}>
            <Link url={asset.url}>{asset.title || asset.key}</Link>
            <span className="jp-Pelagos-faint">
              {[asset.format || asset.type, sizeText(asset.size), asset.roles.join(', ')]
                .filter(Boolean)
                .join(' · ')}
            </span>
            {asset.data && !isHere && (
              <span className="jp-Pelagos-mark">{trans.__('would be fetched')}</span>
            )}
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Rights({
  found,
  trans
}: {
  found: IGranuleDetails;
  trans: TranslationBundle;
}): JSX.Element {
  const { licence, citation } = found;
  const name = licence.title || licence.id;
  return (
    <Part title={trans.__('Licence and citation')}>
      <p>
        {trans.__('Licence:')}{' '}
        {name ? (
          <Link url={licence.url}>{name}</Link>
        ) : (
          trans.__('not stated; ask who offers the data before you publish with them')
        )}
      </p>
      {citation.map((one, index) => (
        <Citation key={index} citation={one} trans={trans} />
      ))}
    </Part>
  );
}

function Citation({
  citation,
  trans
}: {
  citation: ICitation;
  trans: TranslationBundle;
}): JSX.Element {
  const [copied, setCopied] = useState(false);
  const doi = citation.doi && `https://doi.org/${citation.doi}`;
  return (
    <div className="jp-Pelagos-citation">
      <p>{citation.text || citation.title}</p>
      {(doi || citation.url) && (
        <p>
          <Link url={doi || citation.url}>{citation.doi || citation.url}</Link>
        </p>
      )}
      <Button
        onClick={() => {
          void copyText(citation.text || citation.title).then(() => setCopied(true));
        }}
      >
        {trans.__('Copy citation')}
      </Button>
      <span role="status" className="jp-Pelagos-faint">
        {copied ? ` ${trans.__('Copied.')}` : ''}
      </span>
    </div>
  );
}

function Metadata({
  found,
  titles,
  trans
}: {
  found: IGranuleDetails;
  titles: Readonly<Record<string, string>>;
  trans: TranslationBundle;
}): JSX.Element {
  const known: [string, string][] = [
    [trans.__('Data set'), titles[found.collection] || found.collection],
    [trans.__('Time (UTC)'), spanText(found)],
    [trans.__('Place'), found.bbox ? placeText(found.bbox) : '–'],
    [trans.__('Platform'), found.platform || '–'],
    [trans.__('Size'), sizeText(found.size)],
    ...(found.path !== null
      ? [[trans.__('On this server'), found.path] as [string, string]]
      : [])
  ];
  return (
    <Part title={trans.__('Metadata')}>
      <table className="jp-Pelagos-metadata">
        <tbody>
          {known.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
          {found.properties.map(({ name, value }, index) => (
            <tr key={`${name} ${index}`}>
              <th scope="row">{name}</th>
              <td>{isAddress(value) ? <Link url={value}>{value}</Link> : value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Part>
  );
}
