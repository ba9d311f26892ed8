// A drawing as a digit of MNIST: 20 pixels at its longer side, grey at its edges, its centre of mass in the middle of 28×28.

/** The side of a digit of MNIST. */
export const side = 28;

// what the strokes may have of it
const boxSide = 20;

// where the centre of mass of MNIST's digits is: in the middle of the pixel right and below of the centre
const middle = side / 2 + 0.5;

/** How much ink is where: rows of `width`, 0 is paper, 255 is ink. */
export interface Ink {
  readonly width: number;
  readonly height: number;
  readonly values: ArrayLike<number>;
}

/** 28 rows of 28 pixels from 0 to 1; undefined where nothing is drawn. */
export function preprocess(ink: Ink): Float32Array | undefined {
  const found = measure(ink);
  if (found === undefined) return undefined;
  const scale = Math.max(found.right - found.left, found.bottom - found.top) / boxSide;
  // MNIST's digits were moved by whole pixels
  const firstX = Math.round(middle - (found.x - found.left) / scale);
  const firstY = Math.round(middle - (found.y - found.top) / scale);
  const pixels = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    const top = found.top + (y - firstY) * scale;
    for (let x = 0; x < side; x++) {
      const left = found.left + (x - firstX) * scale;
      pixels[y * side + x] = meanOf(ink, { left, top, size: scale }) / 255;
    }
  }
  return pixels;
}

/** The edges of the box around some ink, and its centre of mass. */
interface Found {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly x: number;
  readonly y: number;
}

function measure({ width, height, values }: Ink): Found | undefined {
  let [mass, sumX, sumY] = [0, 0, 0];
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const value = values[y * width + x];
      if (value === 0) continue;
      mass += value;
      sumX += value * (x + 0.5);
      sumY += value * (y + 0.5);
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  if (mass === 0) return undefined;
  return { left, right, top, bottom, x: sumX / mass, y: sumY / mass };
}

/** The mean ink in a square, of which pixels at its edge are in part; outside the drawing is paper. */
function meanOf({ width, height, values }: Ink, { left, top, size }: { left: number; top: number; size: number }): number {
  let sum = 0;
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, top + size); y++) {
    const tall = Math.min(y + 1, top + size) - Math.max(y, top);
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(width, left + size); x++)
      sum += values[y * width + x] * tall * (Math.min(x + 1, left + size) - Math.max(x, left));
  }
  return sum / (size * size);
}
