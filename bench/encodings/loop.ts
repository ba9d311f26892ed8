// A trainer's publication and a replica in one process: gradients that were computed on the replica's weights go in, encoded as a worker does.
import { type Observable, Subject } from 'rxjs';
import type { EncodingName } from '../../src/encodings/names.ts';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import type { Foldable } from '../../src/gradients/check.ts';
import { Feedback } from '../../src/gradients/feedback.ts';
import type { Layout } from '../../src/layout.ts';
import { Published } from '../../src/published.ts';
import type { RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { Replica } from '../../src/strict-replica.ts';
import type { Tensors } from '../../src/tensors.ts';
import { type Publication, publish, rmsprop } from '../../streams/operators/index.ts';

/** In which encodings values go down and up; `f32` unless told. */
export interface Ways {
  readonly updates?: EncodingName;
  readonly pushes?: EncodingName;
}

/** A model that learns. Everything happens in the call that brings a batch. */
export class Loop<Name extends string> {
  readonly #model: Layout<Name>;
  readonly #pushes: EncodingName;
  readonly #replica = new Replica<Name>();
  readonly #feedback = new Feedback<Name>();
  readonly #batches = new Subject<Foldable<Name>>();
  #updates = { count: 0, bytes: 0 };
  #pushed = { count: 0, bytes: 0 };

  constructor(model: Layout<Name>, optimizer: RMSpropOptions<Name>, { updates = 'f32', pushes = 'f32' }: Ways) {
    this.#model = model;
    this.#pushes = pushes;
    const published = new Published(new RMSprop(model, optimizer).parameters, { encoding: updates });
    this.#replica.accept(encodeWeights({ model: 'default', run: 'local', epoch: 0, version: 0 }, published.weights));
    const updates$: Observable<Publication<unknown>> = this.#batches.pipe(
      rmsprop<Name>(model, optimizer),
      publish<Name, Foldable<Name>>({ published }),
    );
    updates$.subscribe(({ frame, from, version }) => {
      const verdict = this.#replica.accept(frame);
      if (verdict !== 'applied') throw new Error(`version ${version} from ${from} was ${verdict}`);
      // the last one brings what was dropped: no update of a batch
      if (from !== version) this.#updates = { count: this.#updates.count + 1, bytes: this.#updates.bytes + frame.byteLength };
    });
  }

  /** The replica's weights: a live view. */
  get weights(): Tensors<Name> {
    return this.#replica.weights;
  }

  /** Mean bytes of an update, and of a push. */
  get bytes(): { readonly update: number; readonly push: number } {
    return { update: this.#updates.bytes / this.#updates.count, push: this.#pushed.bytes / this.#pushed.count };
  }

  /** Learns a batch; the replica has its version when this returns. */
  learn(gradients: GradientRecord<Name>): void {
    const identity = { producer: 'w1', producerEpoch: 1, sequence: this.#pushed.count + 1, base: this.#pushed.count };
    const frame = encodeGradients(
      this.#model,
      identity,
      { gradients },
      { encode: (tensors) => this.#feedback.encode(tensors, { encoding: this.#pushes }) },
    );
    this.#pushed = { count: this.#pushed.count + 1, bytes: this.#pushed.bytes + frame.byteLength };
    this.#batches.next(decodeGradients(frame, this.#model).gradients);
  }

  /** No batch follows: the replica gets what the encoding dropped. */
  settle(): void {
    this.#batches.complete();
  }
}
