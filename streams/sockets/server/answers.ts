// Answers of the server's own, and the HTTP status of every answer.
import { GradwireError } from '../../../src/errors.ts';
import { deserialize } from '../../../src/frames/safetensors.ts';
import type { Answer, Nack } from '../../operators/flow.ts';

/** The nack that tells of an error. The sequence number is read from the frame where that can be done. */
export function refusal(error: GradwireError, frame: Uint8Array, version: number): Nack {
  const { code, retryable, retryAfterMs, text } = error;
  return { type: 'nack', sequence: sequenceIn(frame), code, retryable, retryAfterMs, version, text };
}

/** The sequence number that a gradients frame gives itself; null where it does not say. */
export function sequenceIn(frame: Uint8Array): number | null {
  try {
    const { sequence } = deserialize(frame).metadata;
    return sequence !== undefined && /^(0|[1-9]\d{0,15})$/.test(sequence) ? Number(sequence) : null;
  } catch (error) {
    if (error instanceof GradwireError) return null;
    throw error;
  }
}

const statuses: Readonly<Record<string, number>> = {
  E_MODEL: 409,
  E_STALE: 409,
  E_FUTURE: 409,
  E_SEQUENCE_REUSED: 409,
  E_SEQUENCE_TOO_OLD: 409,
  E_PRODUCER_FENCED: 409,
  E_BUSY: 429,
  E_RATE: 429,
  E_QUARANTINED: 429,
  E_CLOSED: 503,
  E_NOT_READY: 503,
  E_DISK: 503,
  E_TIMEOUT: 503,
  E_TOO_LARGE: 413,
};

/** 200 for an ack; for a nack 409 (its place in the stream), 422 (its content), 429 (busy, or its producer must wait) or 503 (the trainer cannot now). */
export function statusOf(answer: Answer): number {
  if (answer.type === 'ack') return 200;
  return statuses[answer.code] ?? (answer.retryable ? 503 : 422);
}
