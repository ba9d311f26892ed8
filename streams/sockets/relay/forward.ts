// A batch that came by HTTP goes up by HTTP: the same bytes, and the trainer's answer.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { GradwireError } from '../../../src/errors.ts';
import type { Answer } from '../../operators/flow.ts';
import type { ConnectOptions } from '../client/connect-options.ts';
import { readServerMessage } from '../protocol/from-server.ts';
import { refusal, sequenceIn } from '../server/answers.ts';
import type { Mirror } from './mirror.ts';

/** How the upstream is reached. */
export interface ForwardOptions extends Pick<ConnectOptions, 'token' | 'tls'> {
  readonly mirror: Mirror;
  /** For the answer. */
  readonly answerMs: number;
}

/** Posts a frame to the upstream; what goes wrong on the way is a nack that asks for the same again. */
export async function forward(frame: Uint8Array, { mirror, ...options }: ForwardOptions): Promise<Answer> {
  const trouble = mirror.trouble();
  if (trouble !== undefined) return refusal(trouble, frame, mirror.version());
  try {
    return answerIn(await post(addressOf(mirror), frame, options), frame, mirror.version());
  } catch (cause) {
    return refusal(unknown(`the upstream did not answer (${String(cause)})`), frame, mirror.version());
  }
}

/** The text of the answer to a POST. */
async function post(address: URL, body: Uint8Array, { token, tls, answerMs }: Omit<ForwardOptions, 'mirror'>): Promise<string> {
  const headers = { 'Content-Length': body.byteLength, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) };
  const options = { method: 'POST', headers, signal: AbortSignal.timeout(answerMs) };
  const ca = tls && Buffer.from(tls.ca);
  const sent = address.protocol === 'https:' ? httpsRequest(address, { ...options, ca }) : request(address, options);
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return Buffer.concat(await response.toArray()).toString();
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
