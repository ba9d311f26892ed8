// A small trainer for the tests of the sockets: optimizer, published weights and dedupe windows behind a real server.
import { Subject } from 'rxjs';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { GradwireError } from '../../src/errors.ts';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import { encodeSnapshot } from '../../src/frames/snapshot.ts';
import { encodeUpdate } from '../../src/frames/update.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import { checkGradients, type GradientRecord, type Gradients } from '../../src/index.ts';
import { type Layout, layout } from '../../src/layout.ts';
import { Producers } from '../../src/producers.ts';
import { Published } from '../../src/published.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Arrival, Folded, Publication } from '../../streams/operators/flow.ts';
import { snapshotOf } from '../../streams/operators/snapshot.ts';
import { type Epochs, type Served, type ServeOptions, type Server, serve } from '../../streams/sockets/index.ts';

/** The model of most tests. */
export const small: Layout = layout({ 'dense/kernel': [4, 3], 'dense/bias': [3], scale: [] });

/** What a stand may be told. */
export interface StandOptions extends ServeOptions {
  layout?: Layout;
  name?: string;
  run?: string;
  epoch?: number;
  epochs?: Epochs;
  /** Arrivals are kept in `arrived` until `work()` is called. */
  lazy?: boolean;
}

/** A trainer that folds what comes, and remembers the digest of every version. */
export class Stand implements Served {
  readonly model: string;
  readonly layout: Layout;
  readonly run: string;
  epoch: number;
  epochs: Epochs;
  readonly optimizer: RMSprop;
  readonly published: Published;
  readonly producers = new Producers();
  readonly digests: string[] = [];
  readonly arrived: Arrival[] = [];
  readonly published$ = new Subject<Publication>();
  readonly folded$ = new Subject<Folded>();
  weightsMade = 0;
  snapshotsMade = 0;
  /** Batches of which somebody asked for the frame, as only a record does. */
  recordsMade = 0;
  digestsMade = 0;
  lazy: boolean;
  server!: Server;
  #version: number;

  constructor(
    { layout: model = small, name = 'default', run = 'run-1', epoch = 1, epochs, lazy = false }: StandOptions = {},
    from?: Stand,
  ) {
    this.model = name;
    this.layout = model;
    this.run = run;
    this.epoch = epoch;
    this.epochs = epochs ?? [[epoch, (from?.version() ?? 0) + 1]];
    this.lazy = lazy;
    this.optimizer = new RMSprop(model, { lr: 0.01 });
    if (from !== undefined) this.optimizer.restore(from.optimizer.state());
    this.published = new Published(this.optimizer.parameters);
    this.#version = this.optimizer.version;
    this.digests[this.#version] = digestOf(bytesOf(this.published.weights.flat));
  }

  static async start(options: StandOptions = {}, from?: Stand): Promise<Stand> {
    const stand = new Stand(options, from);
    const { layout: _l, name: _n, run: _r, epoch: _e, epochs: _s, lazy: _z, ...served } = options;
    await stand.listen(served);
    return stand;
  }

  async listen(options: ServeOptions): Promise<void> {
    this.server = await serve(this, options);
    this.folded$.pipe(this.server.record()).subscribe();
    this.published$.pipe(this.server.broadcast()).subscribe();
    this.server.arrivals$.subscribe((arrival) => {
      if (this.lazy) this.arrived.push(arrival);
      else this.fold(arrival);
    });
  }

  get url(): string {
    return this.server.url;
  }

  get learningRate(): number {
    return this.optimizer.learningRate;
  }

  version(): number {
    return this.#version;
  }

  digest(): string {
    this.digestsMade += 1;
    return digestOf(bytesOf(this.published.weights.flat));
  }

  weights(): Uint8Array {
    this.weightsMade += 1;
    return encodeWeights({ model: this.model, run: this.run, epoch: this.epoch, version: this.#version }, this.published.weights);
  }

  snapshotFrame(): Uint8Array {
    this.snapshotsMade += 1;
    const { model, run, epoch, producers } = this;
    return encodeSnapshot(snapshotOf(this, { model, run, epoch, producers, examples: 0 }));
  }

  producer(name: string): { producerEpoch: number; sequence: number } | undefined {
    return this.producers.position(name);
  }

  trouble(): undefined {
    return undefined;
  }

  status(): object {
    return { extra: 'of the trainer' };
  }

  /** Answers everything that was kept. */
  work(): void {
    for (const arrival of this.arrived.splice(0)) this.fold(arrival);
  }

  fold({ frame, answer }: Arrival): void {
    let sequence: number | null = null;
    try {
      const { metadata } = deserialize(frame);
      if (metadata.sequence !== undefined) sequence = Number(metadata.sequence);
      const { header, gradients } = decodeGradients(frame, this.layout);
      const payload = digestOf(frame);
      const known = this.producers.find(header, payload);
      if (known !== undefined) {
        answer({ type: 'ack', sequence: header.sequence, version: known, duplicate: true });
        return;
      }
      if (header.base > this.#version) throw new GradwireError('E_FUTURE', `base ${header.base} is ahead of ${this.#version}`);
      const version = this.step(gradients);
      this.producers.note(header, payload, version);
      answer({ type: 'ack', sequence: header.sequence, version, duplicate: false });
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      const { code, retryable, retryAfterMs, text } = error;
      answer({ type: 'nack', sequence, code, retryable, retryAfterMs, version: this.#version, text });
    }
  }

  /** One version further, by gradients that are given or made up. */
  step(given: Gradients | GradientRecord = this.made()): number {
    const gradients = checkGradients(
      this.layout,
      'layout' in given ? (given as Gradients).toRecord() : (given as GradientRecord),
    );
    const from = this.#version;
    const { version, learningRate, touched } = this.optimizer.step(gradients);
    const forms = this.published.take(touched, this.optimizer.parameters);
    const { model, run, epoch } = this;
    const digest = version % 256 === 0 ? digestOf(bytesOf(this.published.weights.flat)) : undefined;
    const frame = encodeUpdate({ model, run, epoch, from, version, encoding: 'f32', learningRate, digest, folded: [] }, forms);
    this.#version = version;
    this.digests[version] = digestOf(bytesOf(this.published.weights.flat));
    const batch = this.#batchOf(version, gradients);
    this.folded$.next({ version, batch });
    this.published$.next({ from, version, learningRate, frame, weights: this.published.weights, batches: [batch] });
    return version;
  }

  /** The batch as an admitted one shows itself to the server; its frame is encoded when it is asked for. */
  #batchOf(version: number, gradients: Gradients): { readonly frame: Uint8Array; readonly payload: string } {
    const identity = { producer: 'stand', producerEpoch: this.epoch, sequence: version, base: version - 1 };
    const encode = (): Uint8Array => encodeGradients(this.layout, identity, { gradients: gradients.toRecord() });
    const count = (): void => void (this.recordsMade += 1);
    return {
      get frame() {
        count();
        return encode();
      },
      get payload() {
        return digestOf(encode());
      },
    };
  }

  /** Dense gradients for every tensor, other ones at each version. */
  made(): GradientRecord {
    const entries = this.layout.tensors.map(({ name, length, offset }) => [
      name,
      Float32Array.from({ length }, (_, i) => Math.sin((this.#version + 1) * (offset + i + 1))),
    ]);
    return Object.fromEntries(entries);
  }

  async close(): Promise<void> {
    await this.server.close();
  }
}
