// The desk of an admission: each arrival is judged, and answered, let through, or put into a round.
import { digestOf } from '../../../src/digest.ts';
import { GradwireError } from '../../../src/errors.ts';
import { refuseFolding } from '../../../src/frames/fold.ts';
import { type GradientsHeader, readGradients, readGradientsHeader } from '../../../src/frames/gradients.ts';
import type { Metadata } from '../../../src/frames/metadata.ts';
import { deserialize } from '../../../src/frames/safetensors.ts';
import type { Gradients } from '../../../src/gradients/check.ts';
import type { Layout } from '../../../src/layout.ts';
import { Producers } from '../../../src/producers.ts';
import type { Admitted, Answer, Arrival } from '../flow.ts';
import { factorFor, refuseBase, refuseName } from './base.ts';
import { Followers } from './followers.ts';
import { meanBatch } from './mean.ts';
import { nackOf } from './nack.ts';
import type { AdmitOptions } from './options.ts';
import { Rounds } from './rounds.ts';
import { monotonicScheduler } from './scheduler.ts';
import { Watch } from './watch.ts';

/** A batch that fits. */
interface Fitting<Name extends string> {
  readonly header: GradientsHeader;
  readonly checked: Gradients<Name>;
  readonly payload: string;
}

/** What one subscription of `admit` knows. */
export class Desk<Name extends string> {
  readonly #model: Layout<Name>;
  readonly #options: AdmitOptions;
  readonly #watch: Watch | undefined;
  /** The rounds of synchronous mode. */
  readonly rounds: Rounds<Name> | undefined;
  #producers: Producers;
  // whether a batch that was let through did not become its version, nor any after it
  #revoked = false;
  readonly #followers = new Followers();
  #last: number;

  constructor(model: Layout<Name>, options: AdmitOptions) {
    const { rate, quarantine, synchronous, scheduler = monotonicScheduler, tally } = options;
    this.#model = model;
    this.#options = options;
    const watches = rate !== undefined || quarantine !== undefined;
    this.#watch = watches ? new Watch({ rate, quarantine }, () => scheduler.now()) : undefined;
    this.rounds = synchronous && new Rounds<Name>(synchronous);
    this.#producers = this.#folded();
    this.#last = options.version();
    tally?.ask(
      () => this.#watch?.quarantined() ?? [],
      () => this.rounds?.status() ?? null,
    );
  }

  /** What an arrival lets through: itself, or the round that it completes. */
  judge(arrival: Arrival): Admitted<Name> | undefined {
    let sequence: number | null = null;
    let producer: string | undefined;
    if (this.#revoked) this.#rewind();
    if (arrival.known !== undefined) return this.#takeKnown(arrival, arrival.known as Fitting<Name>);
    try {
      const { metadata, tensors } = arrival.opened ?? deserialize(arrival.frame);
      if (/^(0|[1-9]\d{0,15})$/.test(metadata.sequence ?? '')) sequence = Number(metadata.sequence);
      refuseFolding(metadata);
      if (this.#watch !== undefined) {
        producer = readGradientsHeader(metadata).producer;
        if (this.#isHeldBack(this.#watch, arrival, metadata)) return undefined;
      }
      const { header, gradients } = readGradients(metadata, tensors, this.#model, this.#options);
      refuseName(header, this.#options);
      this.#options.demandFoldable?.(gradients);
      const payload = digestOf(arrival.frame);
      const known = this.#producers.find(header, payload);
      if (known !== undefined) return this.#repeat(arrival, header, known);
      refuseBase(header, this.#options.version(), this.#options);
      const admitted = this.#take(arrival, { header, checked: gradients, payload });
      this.#watch?.passed(header.producer);
      return admitted;
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      if (producer !== undefined) this.#watch?.refused(producer, error.code);
      this.#options.tally?.refuse(error.code);
      arrival.answer(nackOf(error, sequence, this.#options.version()));
      return undefined;
    }
  }

  /** The round at hand as it is, when its time is over; undefined where there is none. */
  close(): Admitted<Name> | undefined {
    const { rounds } = this;
    if (rounds === undefined) return undefined;
    const round = rounds.take();
    const version = ++this.#last;
    const { name = 'default', maxAbs } = this.#options;
    const answer = (given: Answer): void => {
      if (given.type === 'nack') this.#revoke(given);
      for (const part of round) part.answer({ ...given, sequence: part.header.sequence });
      this.#followers.answer(version, given);
    };
    return { ...meanBatch(round, version, this.#model, { name, maxAbs }), answer };
  }

  /** Nobody comes any more: what waits for a round that will not be is given back. */
  end(): void {
    const text = 'the trainer was closed before the round was full; nothing was applied; send the same again';
    const error = new GradwireError('E_CLOSED', text, { retryable: true, retryAfterMs: 1000 });
    this.#giveUpRounds(nackOf(error, null, this.#options.version()));
  }

  // a batch that is known has been applied, so it is answered as such whatever is objected to its producer
  #isHeldBack(watch: Watch, arrival: Arrival, metadata: Metadata): boolean {
    const header = readGradientsHeader(metadata);
    const objection = watch.objectionTo(header.producer);
    if (objection === undefined) return false;
    const known = this.#producers.find(header, digestOf(arrival.frame));
    if (known === undefined) throw objection;
    this.#repeat(arrival, header, known);
    return true;
  }

  // what the trainer itself made is let through as it is, and the rounds that are being gathered become later versions
  #takeKnown(arrival: Arrival, known: Fitting<Name>): Admitted<Name> {
    const rounds = this.rounds?.waiting() ?? [];
    const admitted = this.#pass(arrival, known);
    for (const [i, parts] of [...rounds.entries()].reverse()) {
      const version = admitted.version + 1 + i;
      for (const { header } of parts) this.#producers.move(header, version);
      this.#followers.move(version - 1, version);
    }
    return admitted;
  }

  #take(arrival: Arrival, fitting: Fitting<Name>): Admitted<Name> | undefined {
    if (this.rounds !== undefined) return this.#gather(this.rounds, { ...fitting, answer: arrival.answer });
    return this.#pass(arrival, fitting, factorFor(fitting.header, this.#last, this.#options));
  }

  #pass({ frame, answer }: Arrival, { header, checked, payload }: Fitting<Name>, factor?: number): Admitted<Name> {
    const version = ++this.#last;
    this.#producers.note(header, payload, version);
    const settle = (given: Answer): void => {
      if (given.type === 'nack') this.#revoke(given);
      answer(given);
      this.#followers.answer(version, given);
    };
    const slowed = factor === undefined ? checked : checked.withRateFactor(factor);
    return { frame, version, answer: settle, header, checked: slowed, payload, factor };
  }

  #gather(rounds: Rounds<Name>, part: Fitting<Name> & Pick<Arrival, 'answer'>): Admitted<Name> | undefined {
    const place = rounds.place(part.header.producer);
    // rounds are done in their order, so the version is known before the round is full
    const folds = this.#last + place;
    refuseBase(part.header, folds, this.#options);
    this.#producers.note(part.header, part.payload, folds + 1);
    rounds.add(part, place);
    return rounds.full ? this.close() : undefined;
  }

  #revoke(nack: Answer): void {
    this.#revoked = true;
    this.#giveUpRounds(nack);
  }

  #giveUpRounds(nack: Answer): void {
    for (const [i, parts] of (this.rounds?.clear() ?? []).entries()) {
      for (const part of parts) part.answer({ ...nack, sequence: part.header.sequence });
      this.#followers.answer(this.#last + 1 + i, nack);
    }
  }

  /** The versions that were given away did not come about, so what was noted of them did not either. */
  #rewind(): void {
    this.#revoked = false;
    this.#producers = this.#folded();
    this.#last = this.#options.version();
  }

  #folded(): Producers {
    return (this.#options.producers ?? new Producers()).copy();
  }

  #repeat({ answer }: Arrival, { sequence }: GradientsHeader, version: number): undefined {
    if (version <= this.#options.version()) answer({ type: 'ack', sequence, version, duplicate: true });
    else this.#followers.add(version, { sequence, answer });
  }
}
