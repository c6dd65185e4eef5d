import type MapBrowserEvent from 'ol/MapBrowserEvent';
import PointerInteraction from 'ol/interaction/Pointer';

import { Box } from '../types';
import { Extent, Grip, boxOf, digitsFor, dragged, gripAt, unwrapped } from './geometry';

type Event = MapBrowserEvent<PointerEvent>;

const REACH = 7;
const LEAST = 4;
const CURSORS: Record<string, string> = {
  w: 'ew-resize',
  e: 'ew-resize',
  n: 'ns-resize',
  s: 'ns-resize',
  nw: 'nwse-resize',
  se: 'nwse-resize',
  ne: 'nesw-resize',
  sw: 'nesw-resize'
};

export interface IBoxCalls {
  /** While it is dragged. */
  preview: (box: Box | null) => void;
  /** When the button is let go. */
  done: (box: Box) => void;
  cursor: (name: string) => void;
}

/** Draws, moves and resizes the box with a pointer. What it leaves alone pans the map. */
export class BoxEditor extends PointerInteraction {
  constructor(private readonly calls: IBoxCalls) {
    super();
  }

  box: Box | null = null;
  /** Whether the next drag draws; Shift does so at any time. */
  drawing = false;
  enabled = false;

  override handleEvent(event: MapBrowserEvent): boolean {
    // two fingers zoom: what the first one began is given up
    const pinches = (event.activePointers?.length ?? 0) > 1;
    if (this.isBusy && (pinches || this.scrolls(event as Event))) {
      this.cancel();
    }
    return super.handleEvent(event);
  }

  override handleDownEvent(event: Event): boolean {
    const pointer = event.originalEvent;
    if (!this.enabled || pointer.button !== 0 || this.targetPointers.length > 1) {
      return false;
    }
    const [x, y] = event.coordinate;
    this.from = { x, y, pixel: event.pixel as [number, number] };
    if (this.drawing || pointer.shiftKey) {
      this.start = { extent: [x, y, x, y], grip: { x: 'e', y: 'n' } };
      return true;
    }
    const found = this.grip(event);
    this.start = found && { extent: unwrapped(this.box!), grip: found };
    return found !== null;
  }

  override handleDragEvent(event: Event): void {
    this.current = this.at(event);
    this.calls.preview(this.current);
  }

  override handleUpEvent(event: Event): boolean {
    const [x, y] = event.pixel;
    const far = Math.max(
      Math.abs(x - this.from.pixel[0]),
      Math.abs(y - this.from.pixel[1])
    );
    // the browser took the finger for something else, such as a gesture of the system
    const lost = event.originalEvent.type === 'pointercancel';
    const found = !lost && this.start && this.current;
    this.start = this.current = null;
    if (found && far >= LEAST) {
      this.calls.done(found);
    } else {
      this.calls.preview(this.box);
    }
    return false;
  }

  override handleMoveEvent(event: Event): void {
    if (this.enabled && !event.dragging) {
      const grip = this.drawing || event.originalEvent.shiftKey ? null : this.grip(event);
      const side = grip && grip !== 'move' ? grip.y + grip.x : '';
      this.calls.cursor(
        side
          ? CURSORS[side]
          : grip
            ? 'move'
            : this.drawing || event.originalEvent.shiftKey
              ? 'crosshair'
              : ''
      );
    }
  }

  /** Whether a drag goes on. */
  get isBusy(): boolean {
    return this.start !== null;
  }

  /** Leave the box as it was before the drag. */
  cancel(): void {
    this.start = this.current = null;
    this.handlingDownUpSequence = false;
    this.calls.preview(this.box);
  }

  /**
   * Whether a finger that was put into the box scrolls the page: it does if it sets out up or
   * down, else nobody gets past a map that its box fills. Sideways it moves the box, then anywhere.
   */
  private scrolls({ type, pixel, originalEvent }: Event): boolean {
    const [x, y] = this.from.pixel;
    return (
      type === 'pointerdrag' &&
      originalEvent.pointerType === 'touch' &&
      this.start?.grip === 'move' &&
      this.current === null &&
      Math.abs(pixel[1] - y) > Math.abs(pixel[0] - x)
    );
  }

  private grip(event: Event): Grip | null {
    if (!this.box) {
      return null;
    }
    const view = event.map.getView();
    const resolution = view.getResolution() ?? 1;
    const touch = event.originalEvent.pointerType === 'touch' ? 2 : 1;
    const extent = unwrapped(this.box);
    const found = gripAt(
      extent,
      event.coordinate as [number, number],
      REACH * touch * resolution
    );
    if (found?.grip === 'move') {
      // a box that fills the view would leave nothing to pan with
      const shown = view.calculateExtent();
      const fills =
        extent[0] + found.shift <= shown[0] &&
        extent[2] + found.shift >= shown[2] &&
        extent[1] <= Math.max(shown[1], -90) &&
        extent[3] >= Math.min(shown[3], 90);
      return fills ? null : 'move';
    }
    return found?.grip ?? null;
  }

  private at(event: Event): Box | null {
    if (!this.start) {
      return this.box;
    }
    const resolution = event.map.getView().getResolution() ?? 1;
    const [x, y] = event.coordinate;
    const { extent, grip } = this.start;
    const after: Extent = dragged(extent, grip, x - this.from.x, y - this.from.y);
    return boxOf(after, digitsFor(resolution));
  }

  private from = { x: 0, y: 0, pixel: [0, 0] as [number, number] };
  private start: { extent: Extent; grip: Grip } | null = null;
  private current: Box | null = null;
}
