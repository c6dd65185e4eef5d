import { ApiError, IApi } from '../api';
import { oneAtATime } from '../model/again';
import { Model } from '../model/base';
import { IOrderFile } from '../types';

/** Pages that are asked for again when something changes; what is behind is then folded again. */
const REFRESHED = 5;

export interface IFilesState {
  /** Null until they were asked for. */
  files: IOrderFile[] | null;
  /** Where to go on; null at the end. */
  next: number | null;
  loading: boolean;
  error: ApiError | null;
}

/** The files of an order, page by page. */
export class FilesModel extends Model<IFilesState> {
  constructor(
    private readonly api: IApi,
    private readonly order: string
  ) {
    super({ files: null, next: null, loading: false, error: null });
  }

  /** Those that are shown, as they are now. Raises nothing. */
  readonly load = oneAtATime(() => this._run(() => this._again()));

  /** One page more. Raises nothing. */
  readonly more = oneAtATime(() => this._run(() => this._more()));

  private async _again(): Promise<void> {
    const wanted = this.state.files?.length ?? 0;
    let files: IOrderFile[] = [];
    let next: number | null = 0;
    for (let page = 0; next !== null && page < REFRESHED; page++) {
      const found = await this.api.orderFiles(this.order, next);
      files = [...files, ...found.files];
      next = found.next;
      if (files.length >= wanted) {
        break;
      }
    }
    this.set({ files, next });
  }

  private async _more(): Promise<void> {
    const { files, next } = this.state;
    if (next !== null) {
      const found = await this.api.orderFiles(this.order, next);
      this.set({ files: [...(files ?? []), ...found.files], next: found.next });
    }
  }

  private async _run(ask: () => Promise<void>): Promise<void> {
    this.set({ loading: true });
    try {
      await ask();
      this.set({ error: null });
    } catch (error) {
      this.set({ error: error as ApiError });
    } finally {
      this.set({ loading: false });
    }
  }
}
