// A batch that came by HTTP goes up by HTTP: the same bytes, and the trainer's answer.
import { GradwireError } from '../../../src/errors.ts';
import type { Answer } from '../../operators/flow.ts';
import { readServerMessage } from '../protocol/from-server.ts';
import { refusal, sequenceIn } from '../server/answers.ts';
import type { Mirror } from './mirror.ts';

/** Posts a frame to the upstream; what goes wrong on the way is a nack that asks for the same again. */
export async function forward(frame: Uint8Array, mirror: Mirror, timeoutMs: number): Promise<Answer> {
  const trouble = mirror.trouble();
  if (trouble !== undefined) return refusal(trouble, frame, mirror.version());
  try {
    const response = await fetch(addressOf(mirror), {
      method: 'POST',
      body: frame as Uint8Array<ArrayBuffer>,
      signal: AbortSignal.timeout(timeoutMs),
    });
    return answerIn(await response.text(), frame, mirror.version());
  } catch (cause) {
    const why = cause instanceof Error ? (cause.cause ?? cause) : cause;
    return refusal(unknown(`the upstream did not answer (${String(why)})`), frame, mirror.version());
  }
}

function addressOf({ upstream, model }: Mirror): URL {
  return new URL(`/models/${encodeURIComponent(model)}/gradients`, upstream.replace(/^ws/, 'http'));
}

function answerIn(text: string, frame: Uint8Array, version: number): Answer {
  const body: unknown = JSON.parse(text);
  const { type, code, text: said } = (body ?? {}) as { type?: unknown; code?: unknown; text?: unknown };
  if (type === 'ack' || type === 'nack') return readServerMessage(text) as Answer;
  // a refusal of the request itself, as of its size
  if (typeof code !== 'string') return refusal(unknown('the upstream gave no answer of gradwire'), frame, version);
  return { type: 'nack', sequence: sequenceIn(frame), code, retryable: false, retryAfterMs: 0, version, text: String(said) };
}

function unknown(what: string): GradwireError {
  const text = `${what}; the batch may have been applied or not; send the same again to know`;
  return new GradwireError('E_TIMEOUT', text, { retryable: true, retryAfterMs: 1000 });
}
