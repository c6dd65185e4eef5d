import { ApiError, IApi, isAborted } from '../api';
import { Model } from '../model/base';
import { IGranuleDetails, IPreview } from '../types';

export interface IDetailsState {
  /** Of what: collection and identifier. */
  of: { collection: string; id: string } | null;
  loading: boolean;
  details: IGranuleDetails | null;
  error: ApiError | null;
  preview: IPreview | null;
  variable: string;
  previewing: boolean;
  previewError: ApiError | null;
}

const NO_PREVIEW = {
  preview: null,
  variable: '',
  previewing: false,
  previewError: null
};

/** The granule in focus: what is known of it, and a quick look at its data. */
export class DetailsModel extends Model<IDetailsState> {
  constructor(private readonly api: IApi) {
    super({ of: null, loading: false, details: null, error: null, ...NO_PREVIEW });
  }

  override dispose(): void {
    this.asking?.abort();
    this.looking?.abort();
    super.dispose();
  }

  /** Show another granule, or none. An answer for the one before changes nothing. */
  async show(catalogue: string, of: IDetailsState['of']): Promise<void> {
    this.asking?.abort();
    this.looking?.abort();
    this.looking = null;
    this.catalogue = catalogue;
    const asking = of ? new AbortController() : null;
    this.asking = asking;
    this.set({ of, loading: of !== null, details: null, error: null, ...NO_PREVIEW });
    if (!of || !asking) {
      return;
    }
    try {
      const { collection, id } = of;
      const details = await this.api.granule(catalogue, collection, id, asking.signal);
      if (this.asking === asking) {
        this.set({ loading: false, details });
        // what is on this server is read at once; else a person asks, as it costs a fetch
        if (details.path !== null) {
          await this.look();
        }
      }
    } catch (error) {
      if (this.asking === asking) {
        this.set({
          loading: false,
          error: isAborted(error) ? null : (error as ApiError)
        });
      }
    }
  }

  retry(): Promise<void> {
    return this.show(this.catalogue, this.state.of);
  }

  /** Look at the data; `variable` is one that the preview before named. */
  async look(variable = this.state.variable): Promise<void> {
    const { of } = this.state;
    if (!of) {
      return;
    }
    this.looking?.abort();
    const looking = new AbortController();
    this.looking = looking;
    this.set({ variable, previewing: true, previewError: null });
    try {
      const path = this.state.details?.path;
      const preview = await this.api.preview(
        {
          catalogue: this.catalogue,
          collection: of.collection,
          item: of.id,
          ...(path ? { path } : {}),
          ...(variable ? { variable } : {})
        },
        looking.signal
      );
      if (this.looking === looking) {
        this.set({ preview, previewing: false });
      }
    } catch (error) {
      if (this.looking === looking) {
        this.set({
          previewing: false,
          previewError: isAborted(error) ? null : (error as ApiError)
        });
      }
    }
  }

  private catalogue = '';
  private asking: AbortController | null = null;
  private looking: AbortController | null = null;
}
