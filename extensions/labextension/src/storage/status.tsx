import { ReactWidget } from '@jupyterlab/ui-components';

import { useNow } from '../common/live';
import { useModel } from '../model/base';
import { StorageModel } from '../model/storage';
import { IPelagos } from '../tokens';
import { glanceOf } from './glance';
import { storageIcon } from './icons';

/** Storage in the status bar. */
export class StorageStatus extends ReactWidget {
  constructor(
    private readonly pelagos: IPelagos,
    private readonly model: StorageModel,
    private readonly onClick: () => void
  ) {
    super();
    this.addClass('jp-Pelagos-status');
  }

  protected override render(): JSX.Element {
    return <Status pelagos={this.pelagos} model={this.model} onClick={this.onClick} />;
  }
}

function Status({
  pelagos,
  model,
  onClick
}: {
  pelagos: IPelagos;
  model: StorageModel;
  onClick: () => void;
}): JSX.Element | null {
  useModel(model);
  const now = useNow();
  const glance = glanceOf(pelagos.trans, model, now);
  if (!glance) {
    return null;
  }
  return (
    <button
      type="button"
      className={`jp-Pelagos-statusItem jp-mod-${glance.level}`}
      title={glance.title}
      aria-label={`${glance.text}. ${glance.title}`}
      onClick={onClick}
    >
      <storageIcon.react tag="span" width="14px" height="14px" aria-hidden="true" />
      <span>{glance.text}</span>
    </button>
  );
}
