// What is broadcast: update frames of a model with one dense tensor, as `publish` makes them, and a trainer's view for `serve`.
import { encodeUpdate } from '../../src/frames/update.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import { type Layout, layout } from '../../src/index.ts';
import { Tensors } from '../../src/tensors.ts';
import type { Publication } from '../../streams/operators/index.ts';
import type { Served } from '../../streams/sockets/index.ts';

/** Versions of a model of so many bytes, one after the other. */
export class Versions implements Served {
  readonly model = 'default';
  readonly run = 'bench';
  readonly epoch = 1;
  readonly epochs: [number, number][] = [[1, 1]];
  readonly learningRate = 0.001;
  readonly layout: Layout;
  readonly #weights: Tensors;
  #version = 100_000;

  constructor(bytes: number) {
    this.layout = layout({ w: [bytes / 4] });
    this.#weights = new Tensors(
      this.layout,
      new Float32Array(bytes / 4).map((_, i) => Math.sin(i)),
    );
  }

  version(): number {
    return this.#version;
  }

  digest(): string {
    return '0'.repeat(16);
  }

  weights(): Uint8Array {
    const { model, run, epoch } = this;
    return encodeWeights({ model, run, epoch, version: this.#version }, this.#weights);
  }

  producer(): undefined {
    return undefined;
  }

  trouble(): undefined {
    return undefined;
  }

  status(): object {
    return {};
  }

  /** The next version, in a frame that was prepared: who only counts messages does not look into it. It counts as published from then on. */
  next(frame: Uint8Array): Publication<undefined> {
    const from = this.#version++;
    return { from, version: from + 1, learningRate: 0.001, frame, weights: this.#weights, batches: [] };
  }

  /** An update frame. */
  frame(): Uint8Array {
    const { model, run, epoch } = this;
    const from = this.#version;
    const header = { model, run, epoch, from, version: from + 1, encoding: 'f32', learningRate: 0.001, folded: [] } as const;
    const [tensor] = this.layout.tensors;
    return encodeUpdate(header, [{ tensor, rows: undefined, values: this.#weights.flat }]);
  }
}
