// A canvas to draw on, with mouse, finger or pen, whose ink can be read.
import { type Ink, side } from './preprocess.ts';

// of the canvas' side; about as thick as the strokes of MNIST are for a digit that fills it
const strokeShare = 1 / 13;

/** Drawing on one canvas. `changed` is called after each bit of a stroke, and when all is wiped. */
export class Sketch {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #changed: () => void;
  #pointer: number | undefined;
  #last: readonly [x: number, y: number] = [0, 0];

  constructor(canvas: HTMLCanvasElement, changed: () => void) {
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('this browser has no canvas');
    this.#canvas = canvas;
    this.#context = context;
    this.#changed = changed;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.lineWidth = canvas.width * strokeShare;
    canvas.addEventListener('pointerdown', (event) => this.#begin(event));
    canvas.addEventListener('pointermove', (event) => this.#go(event));
    for (const end of ['pointerup', 'pointercancel'] as const)
      canvas.addEventListener(end, ({ pointerId }) => this.#end(pointerId));
  }

  /** The ink, whatever its colour. */
  get ink(): Ink {
    const { width, height } = this.#canvas;
    const { data } = this.#context.getImageData(0, 0, width, height);
    return { width, height, values: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i + 3]) };
  }

  /** Wipes everything. */
  clear(): void {
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#changed();
  }

  /** Shows 28×28 pixels, of which 255 is ink, in place of what was drawn. */
  show(pixels: Uint8Array): void {
    const { width, height } = this.#canvas;
    const small = imageOf(pixels, this.#color);
    this.#context.clearRect(0, 0, width, height);
    // as they are: blurred edges would make it another digit
    this.#context.imageSmoothingEnabled = false;
    this.#context.drawImage(small, 0, 0, width, height);
    this.#changed();
  }

  get #color(): string {
    return getComputedStyle(this.#canvas).color;
  }

  #begin(event: PointerEvent): void {
    if (this.#pointer !== undefined || event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#last = this.#placeOf(event);
    this.#lineTo(this.#last);
    this.#changed();
  }

  #go(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return;
    const between = event.getCoalescedEvents();
    for (const each of between.length > 0 ? between : [event]) this.#lineTo(this.#placeOf(each));
    this.#changed();
  }

  #end(pointerId: number): void {
    if (pointerId === this.#pointer) this.#pointer = undefined;
  }

  /** The canvas may be shown smaller than it is. */
  #placeOf({ clientX, clientY }: PointerEvent): readonly [x: number, y: number] {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [((clientX - left) * this.#canvas.width) / width, ((clientY - top) * this.#canvas.height) / height];
  }

  #lineTo(place: readonly [x: number, y: number]): void {
    this.#context.strokeStyle = this.#color;
    this.#context.beginPath();
    this.#context.moveTo(...this.#last);
    this.#context.lineTo(...place);
    this.#context.stroke();
    this.#last = place;
  }
}

/** 28×28 pixels from 0 to 255 as a canvas: ink of that colour on what lies below. */
export function imageOf(pixels: ArrayLike<number>, color: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('this browser has no canvas');
  context.fillStyle = color;
  context.fillRect(0, 0, side, side);
  const image = context.getImageData(0, 0, side, side);
  for (let i = 0; i < pixels.length; i++) image.data[4 * i + 3] = pixels[i];
  context.putImageData(image, 0, 0);
  return canvas;
}
