import { TranslationBundle } from '@jupyterlab/translation';
import { useId, useState } from 'react';

import { Button, Problem } from '../common';
import { useModel } from '../model/base';
import { IPreview } from '../types';
import { DetailsModel } from './details';
import { inWords, isDrawable, tableOf } from './previewData';
import { LinePlot, MapPlot } from './previewPlot';

interface IProps {
  model: DetailsModel;
  trans: TranslationBundle;
}

/** A quick look at the data of the granule in focus, when it is asked for. */
export function PreviewPart({ model, trans }: IProps): JSX.Element {
  const { preview, previewing, previewError, variable } = useModel(model);
  const id = useId();
  return (
    <section aria-labelledby={id} className="jp-Pelagos-part" aria-busy={previewing}>
      <div className="jp-Pelagos-line">
        <h3 id={id}>{trans.__('Preview')}</h3>
        {!preview && !previewing && (
          <Button onClick={() => void model.look()}>{trans.__('Show preview')}</Button>
        )}
        {preview && preview.variables.length > 1 && (
          <label className="jp-Pelagos-labelled">
            {trans.__('Variable')}
            <select
              className="jp-Pelagos-input"
              value={variable || shownVariable(preview)}
              disabled={previewing}
              onChange={event => void model.look(event.target.value)}
            >
              {preview.variables.map(name => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {previewing && (
        <p role="status" className="jp-Pelagos-note">
          {trans.__('Reading the data …')}
        </p>
      )}
      <Problem trans={trans} error={previewError} onRetry={() => void model.look()} />
      {preview && !previewError && <Picture preview={preview} trans={trans} />}
    </section>
  );
}

/** The variable that a preview shows, where none was asked for. */
function shownVariable(preview: IPreview): string {
  const names = [preview.z, preview.kind === 'profile' ? preview.x : preview.y].map(
    axis => axis?.name ?? ''
  );
  return preview.variables.find(name => names.includes(name)) ?? preview.variables[0];
}

function Picture({
  preview,
  trans
}: {
  preview: IPreview;
  trans: TranslationBundle;
}): JSX.Element {
  const [values, setValues] = useState(false);
  const words = inWords(preview, trans);
  const kinds = {
    profile: trans.__('Profile'),
    series: trans.__('Time series'),
    map: trans.__('Map')
  };
  const label = `${kinds[preview.kind]}: ${preview.title}. ${words}`;
  if (!isDrawable(preview)) {
    return (
      <p className="jp-Pelagos-note">
        {trans.__('There are no values to draw: all of them are missing.')}
      </p>
    );
  }
  return (
    <figure className="jp-Pelagos-figure">
      {preview.kind === 'map' ? (
        <MapPlot preview={preview} label={label} />
      ) : (
        <LinePlot preview={preview} label={label} />
      )}
      <figcaption>
        <strong>{preview.title}</strong>
        <span>{words}</span>
        {preview.notes.map(note => (
          <span key={note}>{note}</span>
        ))}
        <Button kind="link" aria-expanded={values} onClick={() => setValues(!values)}>
          {values ? trans.__('Hide values') : trans.__('Show values')}
        </Button>
      </figcaption>
      {values && <Values preview={preview} trans={trans} />}
    </figure>
  );
}

function Values({
  preview,
  trans
}: {
  preview: IPreview;
  trans: TranslationBundle;
}): JSX.Element {
  const { heads, rows, left } = tableOf(preview);
  return (
    <div
      className="jp-Pelagos-values"
      tabIndex={0}
      role="region"
      aria-label={trans.__('Values of the preview')}
    >
      <table>
        <thead>
          <tr>
            {heads.map(head => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((text, column) => (
                <td key={column}>{text}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {left > 0 && (
        <p className="jp-Pelagos-note">
          {trans._n(
            '%1 value more is not listed.',
            '%1 values more are not listed.',
            left
          )}
        </p>
      )}
    </div>
  );
}
