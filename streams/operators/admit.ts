// admit: arrivals against the model, their place in the stream and their identity; what fails is answered and dropped.
import { defer, filter, map, type OperatorFunction } from 'rxjs';
import { digestOf } from '../../src/digest.ts';
import { GradwireError, quote } from '../../src/errors.ts';
import { type GradientsHeader, readGradients } from '../../src/frames/gradients.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import type { CheckOptions, Gradients } from '../../src/gradients/check.ts';
import type { Layout } from '../../src/layout.ts';
import { Producers } from '../../src/producers.ts';
import type { Admitted, Answer, Arrival } from './flow.ts';

/** What admission needs to know. */
export interface AdmitOptions extends CheckOptions {
  /** The model's name: a frame that names another is refused. `default` unless told. */
  readonly name?: string;
  /** The version folded so far, read for each arrival. */
  readonly version: () => number;
  /**
   * The windows of the batches folded so far, kept up to date by whoever folds them. A copy is made at the subscription, and
   * another after a batch that was let through has been answered with a nack. None unless told.
   */
  readonly producers?: Producers;
  /** How many versions a batch's base may be behind; no limit unless told. */
  readonly maxStaleness?: number;
  /** Throws for a batch that fits the model and that the optimizer could not fold all the same, as `optimizer.demandFoldable` does. */
  readonly demandFoldable?: (gradients: Gradients) => void;
}

/**
 * Lets through what fits: frame, model, shapes, values, base, staleness, identity; each with the version it will become.
 *
 * A refused arrival is answered with a nack and changes nothing. A resend of a batch that is folded is answered with its
 * first ack; a resend of one that is still on its way is answered together with it.
 */
export function admit<Name extends string>(
  model: Layout<Name>,
  options: AdmitOptions,
): OperatorFunction<Arrival, Admitted<Name>> {
  return (source) =>
    defer(() => {
      const desk = new Desk(model, options);
      return source.pipe(
        map((arrival) => desk.judge(arrival)),
        filter((admitted) => admitted !== undefined),
      );
    });
}

type Known<Name extends string> = Pick<Admitted<Name>, 'header' | 'checked' | 'payload'>;

class Desk<Name extends string> {
  readonly #model: Layout<Name>;
  readonly #options: AdmitOptions;
  #producers: Producers;
  // whether a batch that was let through did not become its version, nor any after it
  #revoked = false;
  // resends of batches that are not folded yet, by version
  readonly #followers = new Map<number, Arrival[]>();
  #last: number;

  constructor(model: Layout<Name>, options: AdmitOptions) {
    this.#model = model;
    this.#options = options;
    this.#producers = this.#folded();
    this.#last = options.version();
  }

  judge(arrival: Arrival): Admitted<Name> | undefined {
    let sequence: number | null = null;
    if (this.#revoked) this.#rewind();
    if (arrival.known !== undefined) return this.#admit(arrival, arrival.known as Known<Name>);
    try {
      const { metadata, tensors } = deserialize(arrival.frame);
      if (/^(0|[1-9]\d{0,15})$/.test(metadata.sequence ?? '')) sequence = Number(metadata.sequence);
      const { header, gradients } = readGradients(metadata, tensors, this.#model, this.#options);
      this.#refuseName(header);
      this.#options.demandFoldable?.(gradients);
      const payload = digestOf(arrival.frame);
      const known = this.#producers.find(header, payload);
      if (known !== undefined) return this.#repeat(arrival, header, known);
      this.#refuseBase(header);
      return this.#admit(arrival, { header, checked: gradients, payload });
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      arrival.answer(nackOf(error, sequence, this.#options.version()));
      return undefined;
    }
  }

  #admit(arrival: Arrival, rest: Known<Name>): Admitted<Name> {
    const version = ++this.#last;
    this.#producers.note(rest.header, rest.payload, version);
    let answered = false;
    const answer = (given: Answer): void => {
      // one that was held back is answered when it is folded, and passes the end of the pipe later
      if (answered) return;
      answered = true;
      if (given.type === 'nack') this.#revoked = true;
      arrival.answer(given);
      for (const follower of this.#followers.get(version) ?? [])
        follower.answer(given.type === 'ack' ? { ...given, duplicate: true } : given);
      this.#followers.delete(version);
    };
    return { frame: arrival.frame, version, answer, ...rest };
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

  #repeat(arrival: Arrival, { sequence }: GradientsHeader, version: number): undefined {
    if (version <= this.#options.version()) arrival.answer({ type: 'ack', sequence, version, duplicate: true });
    else this.#followers.set(version, [...(this.#followers.get(version) ?? []), arrival]);
  }

  #refuseName({ model }: GradientsHeader): void {
    const { name = 'default' } = this.#options;
    if (model === undefined || model === name) return;
    throw new GradwireError('E_MODEL', `the batch is for the model ${quote(model)}, this is ${quote(name)}; nothing was applied`);
  }

  #refuseBase({ base }: GradientsHeader): void {
    const { maxStaleness = Number.POSITIVE_INFINITY } = this.#options;
    const version = this.#options.version();
    if (base > version) {
      const text = `base ${base} is ahead of ${version}: the worker follows another trainer, or this one lost history; nothing was applied`;
      throw new GradwireError('E_FUTURE', text);
    }
    if (version - base > maxStaleness) {
      throw new GradwireError('E_STALE', `computed on ${base}, now ${version} (limit ${maxStaleness}); nothing was applied`);
    }
  }
}

/** The nack that tells of an error. */
export function nackOf(error: GradwireError, sequence: number | null, version: number): Answer {
  const { code, retryable, retryAfterMs, text } = error;
  return { type: 'nack', sequence, code, retryable, retryAfterMs, version, text };
}
