// What a tab that trains has done, as figures and as a curve of its loss.
import { element, tell, whole } from './parts.ts';

/** What came of one batch. */
export interface Answered {
  readonly digits: number;
  readonly loss: number;
  /** Batches of others that were folded between reading the weights and applying the gradient. */
  readonly staleness: number;
  /** From the push to the answer. */
  readonly waitedMs: number;
}

// the figures are means of so many batches
const recentLength = 50;

// points of the curve, each the mean loss of so many batches
const points = 120;
const pointLength = 5;

// the loss at the top of the curve is that of its highest point, but never less than this
const leastTop = 0.1;

/** Counts acknowledged batches and shows them. */
export class Progress {
  #batches = 0;
  #digits = 0;
  #recent: (Answered & { readonly atMs: number })[] = [];
  #point: number[] = [];
  readonly #curve: number[] = [];

  /** A batch was acknowledged. */
  add(answered: Answered): void {
    this.#batches += 1;
    this.#digits += answered.digits;
    this.#recent.push({ ...answered, atMs: performance.now() });
    if (this.#recent.length > recentLength) this.#recent.shift();
    this.#point.push(answered.loss);
    if (this.#point.length < pointLength) return;
    this.#curve.push(meanOf(this.#point));
    this.#point = [];
    if (this.#curve.length > points) this.#curve.shift();
  }

  /** Shows it. `unanswered` batches are on their way. */
  show(version: number, unanswered: number): void {
    const recent = this.#recent;
    const mean = (of: 'loss' | 'staleness' | 'waitedMs'): number => meanOf(recent.map((each) => each[of]));
    tell({
      version: whole(version),
      batches: whole(this.#batches),
      digits: whole(this.#digits),
      unanswered: String(unanswered),
    });
    if (recent.length < 2) return;
    const seconds = (performance.now() - recent[0].atMs) / 1000;
    tell({
      loss: mean('loss').toFixed(3),
      staleness: `${mean('staleness').toFixed(1)} batches`,
      waited: `${whole(mean('waitedMs'))} ms`,
      speed: `${whole(((recent.length - 1) * recent[0].digits) / seconds)} digits/s`,
    });
    const top = Math.max(leastTop, ...this.#curve);
    tell({ most: top.toFixed(2) });
    const places = this.#curve.map((loss, i) => `${i},${(100 * (1 - loss / top)).toFixed(1)}`);
    element('curve', SVGPolylineElement).setAttribute('points', places.join(' '));
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}
