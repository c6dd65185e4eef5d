import { Model } from '../model/base';

/**
 * The granule under the pointer, in the list or on the map.
 *
 * It has a model of its own, so that moving the pointer draws two rows and a footprint, and no more.
 */
export class HoverModel extends Model<{ key: string | null }> {
  constructor() {
    super({ key: null });
  }

  over(key: string | null): void {
    if (key !== this.state.key) {
      this.set({ key });
    }
  }
}
