// POST /models/<m>/gradients: one gradients frame in, the ack or the nack out.
import { GradwireError } from '../../../src/errors.ts';
import type { Answer } from '../../operators/flow.ts';
import { statusOf } from './answers.ts';
import { type Exchange, replyError, replyJson } from './http-reply.ts';
import type { Intake } from './intake.ts';
import { largestFrame, type ServeLimits } from './serve-options.ts';
import type { Served } from './served.ts';

/** What it takes. */
export interface GradientsContext {
  readonly served: Served;
  readonly limits: ServeLimits;
  readonly intake: Intake;
  readonly bodies: Bodies;
}

/** The bodies of one server that are on their way: all of them together have a limit, but one alone may always come. */
export class Bodies {
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** What has come of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Room for `bytes` more of a body that has `own` already; false where the others take it. */
  grow(own: number, bytes: number): boolean {
    if (this.#bytes > own && this.#bytes + bytes > this.#mostBytes) return false;
    this.#bytes += bytes;
    return true;
  }

  /** A body is no longer on its way. */
  drop(own: number): void {
    this.#bytes -= own;
  }
}

/** Reads the frame, hands it to the intake, and answers what comes back. */
export async function postGradients(exchange: Exchange, context: GradientsContext): Promise<void> {
  const { request, response } = exchange;
  const { intake, served, limits, bodies } = context;
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    return replyError(exchange, 415, new GradwireError('E_PROTOCOL', 'send the frame as it is, without Content-Encoding'));
  if (intake.full) return answerWith(exchange, busy(served.version()));
  const most = largestFrame(served.layout);
  const frame = await readBody(exchange, bodies, most);
  if (frame === 'gone') return;
  if (frame === 'no room') return answerWith(exchange, busy(served.version()));
  if (frame === 'too large') {
    const text = `a gradients frame of this model has at most ${most} bytes; nothing was applied`;
    return replyError(exchange, 413, new GradwireError('E_TOO_LARGE', text));
  }
  const late = setTimeout(() => answerWith(exchange, overdue(served.version())), limits.answerMs);
  // a response that waits behind another one does not hear of its connection's end
  late.unref();
  response.on('close', () => clearTimeout(late));
  intake.take(frame, (answer) => {
    clearTimeout(late);
    answerWith(exchange, answer);
  });
}

function answerWith(exchange: Exchange, answer: Answer): void {
  const waits = answer.type === 'nack' && answer.retryable;
  replyJson(exchange, statusOf(answer), answer, waits ? { 'Retry-After': String(Math.ceil(answer.retryAfterMs / 1000)) } : {});
}

function busy(version: number): Answer {
  const text = 'too many batches are waiting; nothing was applied; send the same again';
  return { type: 'nack', sequence: null, code: 'E_BUSY', retryable: true, retryAfterMs: 100, version, text };
}

function overdue(version: number): Answer {
  const text = 'no answer in time; the batch may have been applied or not; send the same again to know';
  return { type: 'nack', sequence: null, code: 'E_TIMEOUT', retryable: true, retryAfterMs: 1000, version, text };
}

/** The body, unless it is larger than `most`, finds no room beside the others, or its sender goes away. */
async function readBody(
  { request, response }: Exchange,
  bodies: Bodies,
  most: number,
): Promise<Uint8Array | 'too large' | 'no room' | 'gone'> {
  if (Number(request.headers['content-length'] ?? 0) > most) return 'too large';
  if (request.headers.expect !== undefined) response.writeContinue();
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let byteLength = 0;
    const end = (result: Uint8Array | 'too large' | 'no room' | 'gone'): void => {
      request.off('data', take);
      bodies.drop(byteLength);
      byteLength = 0;
      chunks = [];
      resolve(result);
    };
    const take = (chunk: Buffer): void => {
      if (byteLength + chunk.byteLength > most) end('too large');
      else if (!bodies.grow(byteLength, chunk.byteLength)) end('no room');
      else {
        byteLength += chunk.byteLength;
        chunks.push(chunk);
      }
    };
    request.on('data', take);
    request.on('end', () => end(Buffer.concat(chunks)));
    request.on('close', () => end('gone'));
  });
}
