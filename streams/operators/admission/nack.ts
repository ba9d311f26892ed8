// The nack that tells of an error.
import type { GradwireError } from '../../../src/errors.ts';
import type { Answer } from '../flow.ts';

/** The nack that tells of an error. */
export function nackOf(error: GradwireError, sequence: number | null, version: number): Answer {
  const { code, retryable, retryAfterMs, text } = error;
  return { type: 'nack', sequence, code, retryable, retryAfterMs, version, text };
}
