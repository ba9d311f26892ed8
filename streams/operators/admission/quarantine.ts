// Quarantine: a producer whose batches are refused again and again for what is in them is not heard for a while.
import { contentCodes, type ErrorCode } from '../../../src/errors.ts';
import { mostProducers } from '../../../src/producers.ts';
import type { QuarantineRule } from './policies.ts';

/** A producer that is not heard. */
export interface Quarantined {
  readonly producer: string;
  readonly remainingMs: number;
}

// its pace, its place in the stream and the trainer's own trouble say nothing against a producer
const counted: ReadonlySet<ErrorCode> = new Set<ErrorCode>(contentCodes);

/** Refusals in a row, by producer, and who is in quarantine. */
export class Quarantine {
  readonly #rule: Required<QuarantineRule>;
  readonly #refusals = new Map<string, number>();
  readonly #untilMs = new Map<string, number>();

  constructor(rule: Required<QuarantineRule>) {
    this.#rule = rule;
  }

  /** How long the producer will not be heard; 0 where it is. */
  remainingMs(producer: string, nowMs: number): number {
    const untilMs = this.#untilMs.get(producer);
    if (untilMs === undefined) return 0;
    if (untilMs > nowMs) return Math.ceil(untilMs - nowMs);
    this.#untilMs.delete(producer);
    return 0;
  }

  /** A batch of the producer was refused with this code. */
  refused(producer: string, code: ErrorCode, nowMs: number): void {
    if (!counted.has(code)) return;
    const refusals = (this.#refusals.get(producer) ?? 0) + 1;
    this.#refusals.delete(producer);
    if (refusals >= this.#rule.refusals) put(this.#untilMs, producer, nowMs + this.#rule.forMs);
    else put(this.#refusals, producer, refusals);
  }

  /** A batch of the producer was let through. */
  passed(producer: string): void {
    if (this.#refusals.size > 0) this.#refusals.delete(producer);
  }

  /** Everyone who is not heard now. */
  list(nowMs: number): Quarantined[] {
    return [...this.#untilMs.keys()]
      .map((producer) => ({ producer, remainingMs: this.remainingMs(producer, nowMs) }))
      .filter(({ remainingMs }) => remainingMs > 0);
  }
}

function put(map: Map<string, number>, producer: string, value: number): void {
  map.set(producer, value);
  const [oldest] = map.size > mostProducers ? map.keys() : [];
  if (oldest !== undefined) map.delete(oldest);
}
