// How far several readings have come together.
import type { ReadProgress } from '../../history/chunks.ts';

/** Adds up the progress of a number of readings. One that has not begun is taken to be as long as the others. */
export class JointProgress {
  readonly #tell: (progress: ReadProgress) => void;
  readonly #readings: (ReadProgress | undefined)[];

  constructor(tell: (progress: ReadProgress) => void, readings: number) {
    this.#tell = tell;
    this.#readings = new Array<ReadProgress | undefined>(readings).fill(undefined);
  }

  /** Takes the progress of one of them. */
  of(reading: number): (progress: ReadProgress) => void {
    return (progress) => {
      this.#readings[reading] = progress;
      const bytes = this.#readings.reduce((sum, each) => sum + (each?.bytes ?? 0), 0);
      const totalBytes = this.#readings.reduce((sum, each) => sum + (each ?? progress).totalBytes, 0);
      this.#tell({ bytes, totalBytes, version: progress.version });
    };
  }
}
