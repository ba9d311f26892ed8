// POST /models/<m>/rollback, hold and release: what an operator does to a trainer that runs.
import { GradwireError } from '../../../src/errors.ts';
import { type GradientsContext, readBody } from './http-gradients.ts';
import { type Exchange, replyError, replyJson } from './http-reply.ts';
import type { Control } from './served.ts';

// bodies are one short object
const mostBytes = 4096;

/** `{"version": k}`: the state of version k as a new version; answers with both once the new one is durable and published. */
export function postRollback(exchange: Exchange, context: GradientsContext): Promise<void> {
  return act(exchange, context, ['version'], (control, { version }) => control.rollback(version as number));
}

/** `{"reason": "…"}`, or nothing: holds publication; answers with the version that stays published. */
export function postHold(exchange: Exchange, context: GradientsContext): Promise<void> {
  return act(exchange, context, ['reason'], (control, { reason }) => {
    control.hold(reason as string | undefined);
    return { version: context.served.version(), held: true };
  });
}

/** Publishes what was held back; answers with the version that is published then. */
export function postRelease(exchange: Exchange, context: GradientsContext): Promise<void> {
  return act(exchange, context, [], async (control) => ({ version: await control.release(), held: false }));
}

type Body = Readonly<Record<string, unknown>>;

async function act(
  exchange: Exchange,
  { served, bodies }: GradientsContext,
  names: readonly string[],
  what: (control: Control, body: Body) => object | Promise<object>,
): Promise<void> {
  const { control } = served;
  if (control === undefined)
    return replyError(exchange, 503, new GradwireError('E_NOT_READY', 'this server has no trainer to control'));
  const bytes = await readBody(exchange, bodies, mostBytes);
  if (bytes === 'gone') return;
  try {
    if (typeof bytes === 'string')
      throw new GradwireError('E_TOO_LARGE', `the body has at most ${mostBytes} bytes; nothing was done`);
    replyJson(exchange, 200, await what(control, bodyOf(bytes, names)));
  } catch (error) {
    if (!(error instanceof GradwireError)) throw error;
    replyError(exchange, statuses[error.code] ?? 409, error);
  }
}

const statuses: Readonly<Record<string, number>> = {
  E_PROTOCOL: 400,
  E_CONFIG: 422,
  E_TOO_LARGE: 413,
  E_BUSY: 429,
  E_CLOSED: 503,
  E_DISK: 503,
};

/** The body's object, which may be left out. Throws `E_PROTOCOL` for anything else. */
function bodyOf(bytes: Uint8Array, names: readonly string[]): Body {
  if (bytes.byteLength === 0) return {};
  const expected = `a JSON object${names.length > 0 ? ` with ${names.join(', ')}` : ' without fields'}`;
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new GradwireError('E_PROTOCOL', `the body must be ${expected}; it is no JSON; nothing was done`, { cause });
  }
  const fits =
    typeof body === 'object' && body !== null && !Array.isArray(body) && Object.keys(body).every((name) => names.includes(name));
  if (fits) return body as Body;
  throw new GradwireError('E_PROTOCOL', `the body must be ${expected}; nothing was done`);
}
