// What a trainer holds and shows: how far it has folded and published, for its server, its admission and its snapshots.
import { bytesOf, digestOf } from '../../src/digest.ts';
import type { EncodingName, EncodingOptions } from '../../src/encodings/names.ts';
import type { GradwireError } from '../../src/errors.ts';
import { encodeSnapshot } from '../../src/frames/snapshot.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import type { Gradients } from '../../src/gradients/check.ts';
import type { Layout } from '../../src/layout.ts';
import type { Producers } from '../../src/producers.ts';
import { Published } from '../../src/published.ts';
import type { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Tensors } from '../../src/tensors.ts';
import type { AdmissionPolicies } from '../operators/admission/policies.ts';
import { AdmissionTally } from '../operators/admission/tally.ts';
import type { AdmitOptions } from '../operators/admit.ts';
import type { Admitted, Publication, Step } from '../operators/flow.ts';
import { type SnapshotContext, snapshotOf } from '../operators/snapshot.ts';
import type { Control, Served } from '../sockets/index.ts';
import type { Guarding } from './guarding.ts';
import type { History } from './history.ts';
import type { TrainerStatus } from './status.ts';

/** A trainer at its newest version; moved on by the taps of its pipe alone. */
export class Held<Name extends string = string> implements Served {
  readonly history: History<Name>;
  /** The optimizer: the recovered one at first, the pipe's own from its first step on. */
  optimizer: RMSprop<Name>;
  readonly published: Published<Name>;
  readonly #producers: Producers;
  readonly #tally = new AdmissionTally();
  #examples: number;
  #version: number;

  /** What stands in the history, folded into `optimizer` already; published in the encoding that is told. */
  constructor(history: History<Name>, optimizer: RMSprop<Name>, { encoding, share, blockLength }: EncodingOptions = {}) {
    const { producers, examples, published, version } = history.start;
    this.history = history;
    this.optimizer = optimizer;
    // what a snapshot kept of them is of its own version
    const kept = version === optimizer.version ? (published as Tensors<Name> | undefined) : undefined;
    this.published = new Published(optimizer.parameters, { encoding, share, blockLength }, kept);
    this.#producers = producers;
    this.#examples = examples;
    this.#version = optimizer.version;
  }

  /** The newest version, published or not. */
  folded(): number {
    return this.optimizer.version;
  }

  encoding(): EncodingName {
    return this.published.encoding.name;
  }

  /** A batch has been folded by the pipe: its producer and its examples count. */
  account({ batch, version, optimizer }: Step<Name, Admitted<Name>>): void {
    this.#producers.noteFolded(batch, version);
    this.#examples += batch.header.examples ?? 0;
    this.optimizer = optimizer;
  }

  /** A version has been published. */
  show({ version }: Publication): void {
    this.#version = version;
  }

  get model(): string {
    return this.history.name;
  }

  get layout(): Layout<Name> {
    return this.history.model;
  }

  get run(): string {
    return this.history.run;
  }

  get epoch(): number {
    return this.history.epoch;
  }

  /** Epochs with the first version made in each. */
  get epochs(): History['epochs'] {
    return this.history.epochs;
  }

  /** The learning rate of the next step. */
  get learningRate(): number {
    return this.optimizer.learningRate;
  }

  version(): number {
    return this.#version;
  }

  trouble(): GradwireError | undefined {
    return this.history.trouble;
  }

  /** What admission asks of a batch here, by the trainer's policies. */
  admission({ maxStaleness, staleness, maxNorm, rate, quarantine, synchronous }: AdmissionPolicies): AdmitOptions {
    return {
      ...{ maxStaleness, staleness, maxNorm, rate, quarantine, synchronous },
      name: this.model,
      version: () => this.folded(),
      producers: this.#producers,
      maxAbs: this.optimizer.maxAbs,
      tally: this.#tally,
      demandFoldable: (gradients) => this.optimizer.demandFoldable(gradients as Gradients<Name>),
    };
  }

  /** The digest of the published weights. */
  digest(): string {
    return digestOf(bytesOf(this.published.weights.flat));
  }

  weights(): Uint8Array {
    const { model, run, epoch } = this;
    return encodeWeights({ model, run, epoch, version: this.#version }, this.published.weights);
  }

  /** A snapshot frame of the newest version: everything to go on from it. */
  snapshotFrame(): Uint8Array {
    return encodeSnapshot(snapshotOf(this, this.context()));
  }

  producer(name: string): { readonly producerEpoch: number; readonly sequence: number } | undefined {
    return this.#producers.position(name);
  }

  /** What a snapshot says of its place. */
  context(): SnapshotContext {
    const { model, run, epoch, published } = this;
    const owing = published.encoding.isLossy ? published.weights : undefined;
    return { model, run, epoch, producers: this.#producers, examples: this.#examples, published: owing };
  }

  /** What may hold publication; set once the trainer has it. */
  guarding: Guarding<Name> | undefined;

  /** What an operator may do. */
  get control(): Control | undefined {
    return this.guarding;
  }

  /** Plain data: what the trainer is and where it stands. */
  status(): TrainerStatus {
    const { model, run, epoch, layout, learningRate, optimizer, history } = this;
    return {
      model,
      run,
      epoch,
      version: this.#version,
      folded: this.folded(),
      held: this.guarding?.gate.held ?? null,
      encoding: this.encoding(),
      layout: layout.toJSON(),
      optimizer: optimizer.getConfig(),
      learningRate,
      examples: this.#examples,
      producers: this.#producers.size,
      recording: history.recording ?? null,
      recordingBytes: history.bytes,
      snapshot: history.snapshots?.newest() ?? null,
      trouble: history.trouble?.message ?? null,
      ...this.#tally.status(),
    };
  }
}
