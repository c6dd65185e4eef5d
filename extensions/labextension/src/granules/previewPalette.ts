/**
 * Colours of a map: lightness rises evenly, so that equal steps of a value look equal, also in grey
 * and for who does not see red and green apart. Violet over teal to yellow, computed in OKLab
 * (B. Ottosson, "A perceptual color space for image processing", 2020).
 */

const SIZE = 256;
const DARK = 0.3;
const LIGHT = 0.92;

let made: Uint8ClampedArray | null = null;

/** 256 times red, green, blue. */
export function palette(): Uint8ClampedArray {
  if (!made) {
    made = new Uint8ClampedArray(SIZE * 3);
    for (let index = 0; index < SIZE; index++) {
      made.set(colourAt(index / (SIZE - 1)), index * 3);
    }
  }
  return made;
}

/** A CSS colour for a share from 0 to 1. */
export function cssColour(share: number): string {
  const index = Math.round(Math.min(1, Math.max(0, share)) * (SIZE - 1)) * 3;
  return `rgb(${palette()
    .subarray(index, index + 3)
    .join(' ')})`;
}

function colourAt(share: number): number[] {
  const lightness = DARK + (LIGHT - DARK) * share;
  const hue = ((295 - 185 * share) * Math.PI) / 180;
  // as colourful as a screen can be at this lightness and hue, up to a limit
  for (let chroma = 0.16; chroma > 0; chroma -= 0.005) {
    const found = linear(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
    if (found.every(one => one >= -1e-4 && one <= 1.0001)) {
      return found.map(one => Math.round(255 * gamma(Math.min(1, Math.max(0, one)))));
    }
  }
  return [0, 0, 0];
}

/** OKLab to linear sRGB. */
function linear(lightness: number, a: number, b: number): number[] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s
  ];
}

function gamma(value: number): number {
  return value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
}
