// What is fuzzed: a real trainer, its own pipe's door, and the watch on what must not change.
import type { Subject } from 'rxjs';
import { encodeGradients } from '../../../src/frames/gradients.ts';
import { errorCodes } from '../../../src/index.ts';
import { layout } from '../../../src/layout.ts';
import type { Answer, Arrival } from '../../../streams/operators/flow.ts';
import { Pusher } from '../../../streams/trainer/pusher.ts';
import { type Trainer, type TrainerOptions, trainer } from '../../../streams/trainer.ts';
import { type Random, whole } from '../../support/random.ts';

const shapes = { 'dense/kernel': [12, 3], 'dense/bias': [3], scale: [] };

/** The model under attack: a matrix, a vector and a scalar. */
const model = layout(shapes);

/** Its shapes, for whoever judges without gradwire. */
export const modelShapes: ReadonlyMap<string, readonly number[]> = new Map(Object.entries(shapes));

/** A trainer that is being fuzzed. */
export class Target {
  readonly trainer: Trainer;
  /** Where its own process' batches enter its pipe. */
  readonly arrivals$: Subject<Arrival>;
  /** What changed that must not have, and what was answered that is in no list. */
  readonly faults: string[] = [];
  /** Answers by their code. */
  readonly codes: Map<string, number> = new Map();
  acks = 0;
  #digest: string;

  private constructor(running: Trainer, arrivals$: Subject<Arrival>) {
    this.trainer = running;
    this.arrivals$ = arrivals$;
    this.#digest = running.digest();
    running.updates$.subscribe({
      next: () => (this.#digest = running.digest()),
      error: (error) => this.faults.push(`the trainer failed: ${error}`),
    });
  }

  static async open(options: Partial<TrainerOptions> = {}): Promise<Target> {
    const doors: Subject<Arrival>[] = [];
    const { push } = Pusher.prototype;
    // a trainer keeps its parts to itself; its first push shows the door that frames go in by
    Pusher.prototype.push = function (this: Pusher, batch) {
      doors.push(this.arrivals$);
      return push.call(this, batch);
    };
    try {
      const running = await trainer({ model, optimizer: { lr: 0.01 }, ...(options as object) });
      await running.push({ scale: Float32Array.of(1) });
      const target = new Target(running as unknown as Trainer, doors[0]);
      target.acks = 1;
      return target;
    } finally {
      Pusher.prototype.push = push;
    }
  }

  /** Notes an answer, and that it changed nothing but what an ack changes. */
  answered(answer: Answer): void {
    const { version } = this.trainer;
    if (answer.type === 'ack') this.acks += answer.duplicate ? 0 : 1;
    else if (!(errorCodes as readonly string[]).includes(answer.code)) this.faults.push(`a nack with the code ${answer.code}`);
    this.tally(answer.type === 'ack' ? (answer.duplicate ? 'duplicate' : 'ack') : answer.code);
    if (answer.version > version) this.faults.push(`an answer of version ${answer.version} at ${version}`);
    this.unchanged();
  }

  /** The weights are those of the newest version that was published. */
  unchanged(): void {
    if (this.trainer.digest() !== this.#digest) this.faults.push(`the weights of ${this.trainer.version} have changed`);
  }

  tally(code: string): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  /** The tally as text. */
  summary(): string {
    return [...this.codes]
      .sort(([, a], [, b]) => b - a)
      .map(([code, count]) => `${code} ${count}`)
      .join(', ');
  }
}

/** Valid frames of a producer: every form, each under its own number. */
export class Source {
  readonly #random: Random;
  readonly #producer: string;
  #sequence = 0;

  constructor(random: Random, producer: string) {
    this.#random = random;
    this.#producer = producer;
  }

  /** The next frame, on a base that the trainer has. */
  next(version: number): Uint8Array {
    const random = this.#random;
    const row = (length: number): Float32Array => Float32Array.from({ length }, () => random() - 0.5);
    const forms = [
      { 'dense/kernel': row(36), 'dense/bias': row(3), scale: row(1) },
      { 'dense/kernel': { rows: Int32Array.of(whole(random, 0, 5), whole(random, 6, 11)), values: row(6) }, scale: row(1) },
      { 'dense/bias': { rows: Int32Array.of(2, 0), values: row(2) } },
      { 'dense/bias': row(3) },
    ];
    const identity = { producer: this.#producer, producerEpoch: 1, sequence: ++this.#sequence, base: whole(random, 0, version) };
    const labels = random() < 0.5 ? {} : { examples: 32, loss: 0.25, time: 1_700_000_000_000 };
    return encodeGradients(model, identity, { gradients: forms[whole(random, 0, 3)], ...labels });
  }
}
