/** Colours of a map, as a canvas takes them. */
export interface IMapColours {
  land: string;
  coast: string;
  grid: string;
  text: string;
  halo: string;
  foot: string;
  footFill: string;
  chosen: string;
  chosenFill: string;
  box: string;
  boxFill: string;
  high: string;
  highFill: string;
}

/** The colours of JupyterLab's theme; a canvas can't read variables itself. */
export function readColours(element: Element): IMapColours {
  const style = getComputedStyle(element);
  const of = (name: string, otherwise: string) =>
    style.getPropertyValue(name).trim() || otherwise;
  const brand = of('--jp-brand-color1', '#1976d2');
  const box = of('--jp-warn-color1', '#e65100');
  const high = of('--jp-accent-color1', '#388e3c');
  return {
    land: of('--jp-layout-color3', '#bdbdbd'),
    coast: of('--jp-border-color0', '#9e9e9e'),
    grid: of('--jp-border-color2', '#e0e0e0'),
    text: of('--jp-ui-font-color2', '#616161'),
    halo: of('--jp-layout-color1', '#fff'),
    foot: withAlpha(brand, 0.75),
    footFill: withAlpha(brand, 0.06),
    chosen: brand,
    chosenFill: withAlpha(brand, 0.35),
    box,
    boxFill: withAlpha(box, 0.12),
    high,
    highFill: withAlpha(high, 0.25)
  };
}

/** The same colour, to see through; as it is where the browser can't tell what it means. */
export function withAlpha(colour: string, alpha: number): string {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) {
    return colour;
  }
  context.fillStyle = colour;
  const plain = String(context.fillStyle);
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(plain);
  const parts = hex
    ? hex.slice(1).map(part => parseInt(part, 16))
    : (/^rgba?\(([^)]+)\)$/.exec(plain)?.[1].split(',').slice(0, 3).map(Number) ?? null);
  return parts ? `rgba(${parts.join(', ')}, ${alpha})` : colour;
}

/** Calls when JupyterLab's theme has changed; what it returns stops that. */
export function onTheme(call: () => void): () => void {
  const observer = new MutationObserver(call);
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light']
  });
  return () => observer.disconnect();
}
