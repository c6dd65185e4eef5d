import { ReactWidget } from '@jupyterlab/ui-components';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { keepFocus } from '../common/focus';
import { pelagosIcon } from '../icons';
import { SeaMap } from '../map/seaMap';
import { CriteriaModel } from '../model/search';
import type { Vocabulary } from '../search/criteria';
import { IPelagos } from '../tokens';
import { ICriteria } from '../types';
import { startDrag } from '../use/drag';
import { AddModel } from './addAll';
import { DetailsModel } from './details';
import { GranulesModel } from './model';
import { IOpenArgs } from './opening';
import { GranulesView } from './view';

/** Granules of some data sets, as a tab of the main area. */
export class GranulesWidget extends ReactWidget {
  constructor(
    private readonly pelagos: IPelagos,
    { collections, title, titles, vocabulary, criteria }: IOpenArgs
  ) {
    super();
    const { trans } = pelagos;
    this.heading = title;
    this.opened = criteria;
    this.vocabulary = vocabulary;
    this.criteria = new CriteriaModel(criteria);
    this.model = new GranulesModel(
      pelagos.api,
      collections,
      this.criteria,
      () => pelagos.settings.catalogueUrl
    );
    this.adding = new AddModel(this.model, pelagos.basket, titles);
    this.details = new DetailsModel(pelagos.api);
    this.addClass('jp-Pelagos-granulesWidget');
    keepFocus(this.node);
    this.title.label = title || trans.__('Granules');
    this.title.caption = title
      ? trans.__('Granules of %1', title)
      : trans.__('Granules of marine data');
    this.title.icon = pelagosIcon;
    this.title.closable = true;
    pelagos.settingsChanged.connect(this.onSettings, this);
    void this.model.reload();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.pelagos.settingsChanged.disconnect(this.onSettings, this);
      for (const model of [this.adding, this.details, this.model, this.criteria]) {
        model.dispose();
      }
    }
    super.dispose();
  }

  /** What opens it again as it is now. */
  get args(): ReadonlyPartialJSONObject {
    return {
      collections: this.model.collections,
      title: this.heading,
      titles: this.adding.titles,
      vocabulary: this.vocabulary,
      criteria: this.criteria.state
    } as unknown as ReadonlyPartialJSONObject;
  }

  /** It is opened once more: other criteria count, the same leave what was refined here. */
  carryOver({ criteria, vocabulary }: IOpenArgs): void {
    if (JSON.stringify(criteria) !== JSON.stringify(this.opened)) {
      this.opened = criteria;
      this.vocabulary = vocabulary;
      this.update();
      this.criteria.change(criteria);
    }
  }

  protected override render(): JSX.Element {
    return (
      <GranulesView
        pelagos={this.pelagos}
        model={this.model}
        adding={this.adding}
        details={this.details}
        vocabulary={this.vocabulary}
        SeaMap={SeaMap}
        startDrag={startDrag}
      />
    );
  }

  private onSettings(): void {
    if (this.pelagos.settings.catalogueUrl !== this.model.catalogue) {
      void this.model.reload();
    }
  }

  readonly criteria: CriteriaModel;
  readonly model: GranulesModel;
  private readonly adding: AddModel;
  private readonly details: DetailsModel;
  private readonly heading: string;
  private opened: ICriteria;
  private vocabulary: Vocabulary;
}
