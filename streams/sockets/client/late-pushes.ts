// A worker's pushes in a browser: their code is loaded when somebody asks for a worker, so that a replica is not the larger for it.
import { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Ack, Nack } from '../../operators/flow.ts';
import type { Welcome } from '../protocol/words.ts';
import type { Pushed } from './outbox.ts';
import type { Pushes, PushesOptions, WorkerBatch } from './pushes.ts';
import type { Pushing } from './pushing.ts';

/** Does what `Pushes` does, once that is there; until then it keeps what it is told, in order. */
export class LatePushes<Name extends string = string> implements Pushing<Name> {
  readonly producer: string;
  readonly #loading: Promise<Pushes<Name>>;
  #pushes: Pushes<Name> | undefined;
  #told: ((pushes: Pushes<Name>) => void)[] = [];
  #producerEpoch: number | undefined;
  #waiting = 0;
  readonly #limit: number;

  constructor(options: PushesOptions, send: (frame: Uint8Array<ArrayBuffer>) => void) {
    this.producer = options.producer;
    this.#producerEpoch = options.producerEpoch;
    this.#limit = options.maxQueue;
    this.#loading = import('./pushes.ts').then(
      ({ Pushes }) => this.#take(new Pushes<Name>(options, send)),
      (cause) => {
        throw new GradwireError('E_CONNECTION', 'the code of a worker could not be loaded; nothing was sent', { cause });
      },
    );
    this.#loading.catch(() => undefined);
  }

  get producerEpoch(): number | undefined {
    return this.#pushes?.producerEpoch ?? this.#producerEpoch;
  }

  get sequence(): number | undefined {
    return this.#pushes?.sequence;
  }

  get size(): number {
    return this.#waiting + (this.#pushes?.size ?? 0);
  }

  async push(batch: WorkerBatch<Name>, version: number, timeoutMs?: number): Promise<Pushed> {
    if (this.#pushes !== undefined) return this.#pushes.push(batch, version, timeoutMs);
    if (this.#waiting >= this.#limit)
      throw new GradwireError('E_BUSY', `${this.#waiting} batches wait already; nothing was sent`, { retryable: true });
    // its arrays are the caller's and may be written again
    const own = structuredClone(batch);
    this.#waiting += 1;
    const pushes = await this.#loading.finally(() => (this.#waiting -= 1));
    return pushes.push(own, version, timeoutMs);
  }

  open(welcome: Welcome): void {
    this.#producerEpoch ??= welcome.producerEpoch ?? undefined;
    this.#tell((pushes) => pushes.open(welcome));
  }

  ready(model: Layout<Name>): void {
    this.#tell((pushes) => pushes.ready(model));
  }

  shut(tooLarge: boolean): void {
    this.#tell((pushes) => pushes.shut(tooLarge));
  }

  settle(answer: Ack | Nack): void {
    this.#tell((pushes) => pushes.settle(answer));
  }

  fail(error: GradwireError): void {
    this.#tell((pushes) => pushes.fail(error));
  }

  #tell(what: (pushes: Pushes<Name>) => void): void {
    if (this.#pushes === undefined) this.#told.push(what);
    else what(this.#pushes);
  }

  #take(pushes: Pushes<Name>): Pushes<Name> {
    this.#pushes = pushes;
    for (const what of this.#told) what(pushes);
    this.#told = [];
    return pushes;
  }
}
