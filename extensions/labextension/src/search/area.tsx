import { TranslationBundle } from '@jupyterlab/translation';
import { useMemo, useRef, useState } from 'react';

import { Button } from '../common';
import { SeaMap } from '../map/seaMap';
import { useModel } from '../model/base';
import { CriteriaModel } from '../model/search';
import { IPelagosSettings } from '../tokens';
import { Box } from '../types';
import { BoxFields } from './boxFields';
import { GeoJsonError, GeoJsonFault, boxOfFile } from './geojson';
import { seaOf, seas } from './seas';

interface IProps {
  criteria: CriteriaModel;
  trans: TranslationBundle;
  settings: IPelagosSettings;
  /** Where the data set is that somebody looks at. */
  extents: readonly Box[];
}

/** Where: on the map, as numbers, a named sea, or the box of a file. */
export function Area({ criteria, trans, settings, extents }: IProps): JSX.Element {
  const { bbox } = useModel(criteria);
  // the map follows what does not come from the map
  const [goal, setGoal] = useState(bbox);
  const onBox = (box: Box | null) => {
    setGoal(box);
    criteria.change({ bbox: box });
  };
  return (
    <>
      <div className="jp-Pelagos-searchMap">
        <SeaMap
          label={trans.__('Map of the area to search')}
          trans={trans}
          box={bbox}
          onBox={box => criteria.change({ bbox: box })}
          extents={extents}
          fitTo={goal}
          tileUrl={settings.tileUrl}
          tileAttribution={settings.tileAttribution}
        />
      </div>
      <BoxFields box={bbox} onBox={onBox} trans={trans} />
      <Named box={bbox} onBox={onBox} trans={trans} />
    </>
  );
}

interface INamedProps {
  box: Box | null;
  onBox: (box: Box | null) => void;
  trans: TranslationBundle;
}

function Named({ box, onBox, trans }: INamedProps): JSX.Element {
  const all = useMemo(() => seas(trans), [trans]);
  const [fault, setFault] = useState('');
  const file = useRef<HTMLInputElement>(null);
  const read = async (chosen: File) => {
    try {
      onBox(await boxOfFile(chosen));
      setFault('');
    } catch (error) {
      const kind = error instanceof GeoJsonError ? error.fault : 'json';
      setFault(sentenceOf(kind, chosen.name, trans));
    }
  };
  return (
    <>
      <div className="jp-Pelagos-formRow">
        <div className="jp-Pelagos-grow">
          <select
            className="jp-Pelagos-input"
            aria-label={trans.__('Named sea')}
            title={trans.__('Boxes around seas, from IHO S-23 (1953), in whole degrees')}
            value={seaOf(box, all)?.id ?? ''}
            onChange={event => {
              setFault('');
              onBox(all.find(sea => sea.id === event.target.value)?.box ?? null);
            }}
          >
            <option value="">{trans.__('Named sea …')}</option>
            {all.map(sea => (
              <option key={sea.id} value={sea.id}>
                {sea.title}
              </option>
            ))}
          </select>
        </div>
        <Button
          title={trans.__('Take the box around what a GeoJSON file has')}
          onClick={() => file.current?.click()}
        >
          {trans.__('From file …')}
        </Button>
        <input
          ref={file}
          type="file"
          hidden
          aria-label={trans.__('GeoJSON file')}
          accept=".geojson,.json,application/geo+json,application/json"
          onChange={event => {
            const chosen = event.target.files?.[0];
            // the same file can be chosen again once it is mended
            event.target.value = '';
            if (chosen) {
              void read(chosen);
            }
          }}
        />
      </div>
      {fault && (
        <p role="alert" className="jp-Pelagos-fault">
          {fault}
        </p>
      )}
    </>
  );
}

function sentenceOf(fault: GeoJsonFault, name: string, trans: TranslationBundle): string {
  switch (fault) {
    case 'large':
      return trans.__(
        '%1 is larger than 10 MiB. Simplify its shapes, or type the box.',
        name
      );
    case 'json':
      return trans.__(
        '%1 is no JSON, so it is no GeoJSON file. Choose another one.',
        name
      );
    case 'geojson':
      return trans.__(
        '%1 is no GeoJSON: it needs a FeatureCollection, a Feature or a geometry.',
        name
      );
    case 'empty':
      return trans.__('%1 has no places in it. Choose another file.', name);
    case 'degrees':
      return trans.__(
        '%1 is not in degrees. GeoJSON has longitude and latitude in WGS 84; convert it first.',
        name
      );
  }
}
