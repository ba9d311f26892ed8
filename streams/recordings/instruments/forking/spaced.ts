// Evenly spaced versions of a run whose end is not known before it is reached.
import { GradwireError } from '../../../../src/errors.ts';

/** Keeps a value at every so many versions: whenever there are too many, every other one is dropped and the stride doubled. */
export class Spaced<Point extends { readonly version: number }> {
  readonly #most: number;
  #stride = 1;
  #points: Point[] = [];

  /** At most `most` points, the last version's included; at least half as many of a run that has them. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether a value is kept at this version. */
  wants(version: number): boolean {
    return version % this.#stride === 0;
  }

  add(point: Point): void {
    this.#points.push(point);
    if (this.#points.length < this.#most) return;
    this.#stride *= 2;
    this.#points = this.#points.filter(({ version }) => this.wants(version));
  }

  /** The points, and that of the last version, where it is none of them. */
  end(last: number, make: () => Point): readonly Point[] {
    return last === 0 || this.#points.at(-1)?.version === last ? this.#points : [...this.#points, make()];
  }
}

/** Up to `count` evenly spaced versions from 1 to `last`, which is one of them. */
export function spacedVersions(last: number, count: number): number[] {
  const versions = Array.from({ length: count }, (_, i) => Math.round(((i + 1) * last) / count));
  return [...new Set(versions)].filter((version) => version > 0);
}

/** Throws `E_CONFIG` unless `points` is a number of points that can be meant. */
export function demandPoints(points: number): void {
  if (Number.isInteger(points) && points >= 2 && points <= 1000) return;
  throw new GradwireError('E_CONFIG', `points must be an integer from 2 to 1,000; got ${String(points)}`);
}

/** Throws `E_CONFIG` unless `until` is a version, or not given. */
export function demandUntil(until: number | undefined): void {
  if (until === undefined || (Number.isSafeInteger(until) && until >= 0)) return;
  throw new GradwireError('E_CONFIG', `until must be a version, an integer from 0; got ${String(until)}`);
}
