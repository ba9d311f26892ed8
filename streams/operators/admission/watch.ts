// What is known of producers beside their batches: their pace, and how often they were refused.
import { type ErrorCode, GradwireError, quote } from '../../../src/errors.ts';
import { Buckets } from './buckets.ts';
import { type AdmissionPolicies, quarantineRuleOf, rateLimitOf } from './policies.ts';
import { Quarantine, type Quarantined } from './quarantine.ts';

/** Watches producers for one admission; its clock is whatever gives milliseconds that do not go back. */
export class Watch {
  readonly #clock: () => number;
  readonly #buckets: Buckets | undefined;
  readonly #quarantine: Quarantine | undefined;

  constructor({ rate, quarantine }: Pick<AdmissionPolicies, 'rate' | 'quarantine'>, clock: () => number) {
    this.#clock = clock;
    this.#buckets = rate === undefined ? undefined : new Buckets(rateLimitOf(rate));
    this.#quarantine = quarantine === undefined ? undefined : new Quarantine(quarantineRuleOf(quarantine));
  }

  /** Why no new batch of the producer is looked at now, `E_QUARANTINED` or `E_RATE`; undefined where one is. */
  objectionTo(producer: string): GradwireError | undefined {
    const nowMs = this.#clock();
    const remainingMs = this.#quarantine?.remainingMs(producer, nowMs) ?? 0;
    if (remainingMs > 0) {
      const text = `${quote(producer)} is in quarantine for another ${remainingMs} ms: too many of its batches were refused in a row; nothing was applied; find out why it makes such gradients`;
      return new GradwireError('E_QUARANTINED', text, { retryAfterMs: remainingMs });
    }
    const retryAfterMs = this.#buckets?.take(producer, nowMs) ?? 0;
    if (retryAfterMs === 0) return undefined;
    const text = `${quote(producer)} sends faster than it may; nothing was applied; send the same again after ${retryAfterMs} ms`;
    return new GradwireError('E_RATE', text, { retryable: true, retryAfterMs });
  }

  /** A batch of the producer was refused. */
  refused(producer: string, code: ErrorCode): void {
    this.#quarantine?.refused(producer, code, this.#clock());
  }

  /** A batch of the producer was let through. */
  passed(producer: string): void {
    this.#quarantine?.passed(producer);
  }

  /** Who is in quarantine now. */
  quarantined(): readonly Quarantined[] {
    return this.#quarantine?.list(this.#clock()) ?? [];
  }
}
