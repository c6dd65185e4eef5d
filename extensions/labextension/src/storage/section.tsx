import { useEffect, useState } from 'react';

import { Button, Link, Live, Problem, useNow } from '../common';
import { ApiError } from '../api';
import { useModel } from '../model/base';
import { StorageModel } from '../model/storage';
import { IPelagos } from '../tokens';
import { IAbout } from '../types';
import { Areas } from './areas';
import { glanceOf } from './glance';
import { Loss, Server } from './server';
import { Workspace } from './workspace';

/** Where the data are: workspace, dataspace, and what this server has. */
export function StorageSection({
  pelagos,
  model
}: {
  pelagos: IPelagos;
  model: StorageModel;
}): JSX.Element {
  const { trans } = pelagos;
  const { storage, error, failure, busy } = useModel(model);
  const now = useNow(30_000);
  const about = useAbout(pelagos);
  const links = about?.links ?? {};
  return (
    <div className="jp-Pelagos-storage" role="region" aria-label={trans.__('Storage')}>
      <Live text={storage ? (glanceOf(trans, model, now)?.text ?? '') : ''} />
      <Problem
        trans={trans}
        error={error}
        title={storage ? trans.__('This is how it was last:') : undefined}
        onRetry={() => void model.load()}
      />
      {!storage && !error && <p className="jp-Pelagos-note">{trans.__('Loading …')}</p>}
      <Problem trans={trans} error={failure?.error} title={trans.__('Not done.')} />
      {storage?.reason && (
        <Problem
          trans={trans}
          error={new ApiError(503, storage.reason, storage.mend)}
          onRetry={() => void model.load()}
        />
      )}
      {storage && (
        <Loss trans={trans} model={model} storage={storage} links={links} now={now} />
      )}
      {storage && about && !about.hub && (
        <p className="jp-Pelagos-note">
          {trans.__(
            'This JupyterLab is not part of a virtual research environment: there is no workspace and no dataspace, and your files are in your home.'
          )}
        </p>
      )}
      {storage?.workspace && (
        <Workspace
          trans={trans}
          workspace={storage.workspace}
          busy={busy}
          onRetry={() => void model.retry()}
        />
      )}
      {storage?.dataspace && (
        <Areas trans={trans} model={model} storage={storage} about={about} now={now} />
      )}
      {storage && <Server trans={trans} storage={storage} />}
      <div className="jp-Pelagos-buttons jp-Pelagos-foot">
        {links.storage && (
          <Link url={links.storage}>{trans.__('All about your storage')}</Link>
        )}
        {storage && (
          <Button kind="link" onClick={() => void model.load()}>
            {trans.__('Look again')}
          </Button>
        )}
      </div>
    </div>
  );
}

/** What the server is, as soon as that is known. */
function useAbout(pelagos: IPelagos): IAbout | null {
  const [about, setAbout] = useState<IAbout | null>(null);
  useEffect(() => {
    let isWanted = true;
    pelagos.about().then(
      found => isWanted && setAbout(found),
      () => undefined
    );
    return () => {
      isWanted = false;
    };
  }, [pelagos]);
  return about;
}
