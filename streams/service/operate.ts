// Operating a trainer that runs: one POST to one of its addresses, and its answer.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type ErrorCode, errorCodes, GradwireError, quote } from '../../src/errors.ts';
import { type ConnectAccessOptions, connectAccess } from './access/connect.ts';

/** Whether an argument is the address of a trainer, and not a directory. */
export function isAddress(text: string): boolean {
  return /^(https?|wss?):\/\//.test(text);
}

/** What a trainer is asked to do. */
export interface Operation {
  /** As `serve` printed it; `/models/<name>` may stand behind it. */
  readonly url: string;
  /** The model's name; the one in the address, or the server's one model, unless told. */
  readonly model?: string;
  readonly action: 'rollback' | 'hold' | 'release';
  readonly body?: object;
  /** The token, which needs the scope `admin`, and whom to trust. */
  readonly access: ConnectAccessOptions;
}

/** The trainer's answer. Throws `E_CONFIG` for no address, `E_CONNECTION` where nobody answers, and the code that the trainer answers with. */
export async function operate({ url, model, action, body = {}, access }: Operation): Promise<Record<string, unknown>> {
  const address = `${addressOf(url, model)}/${action}`;
  const { status, text } = await post(address, JSON.stringify(body), access).catch((cause) => {
    if (cause instanceof GradwireError) throw cause;
    throw new GradwireError('E_CONNECTION', `nobody answers at ${address} (${String(cause)}); is the trainer up?`, { cause });
  });
  const answer = readAnswer(text);
  if (status === 200) return answer;
  const code = errorCodes.find((each) => each === answer.code) ?? ('E_CONNECTION' satisfies ErrorCode);
  throw new GradwireError(code, String(answer.text ?? `${address} answered ${status}`));
}

function readAnswer(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

async function post(address: string, body: string, options: ConnectAccessOptions): Promise<{ status: number; text: string }> {
  const { token, tls } = connectAccess(options);
  const headers = { 'Content-Type': 'application/json', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) };
  const secure = { method: 'POST', headers, ca: tls && Buffer.from(tls.ca) };
  const sent = address.startsWith('https:') ? httpsRequest(address, secure) : request(address, { method: 'POST', headers });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, text: Buffer.concat(await response.toArray()).toString() };
}

function addressOf(text: string, model: string | undefined): string {
  const wrong = (why: string): never => {
    throw new GradwireError('E_CONFIG', `the address ${quote(text)} does not do: ${why}`);
  };
  if (!isAddress(text) || !URL.canParse(text)) return wrong('it must look like http://127.0.0.1:8080');
  const { protocol, host, pathname } = new URL(text);
  const [, named] = /^\/models\/([^/]+)\/?$/.exec(pathname) ?? [];
  if (named === undefined && pathname !== '/') return wrong('its path must be /models/<name>, or nothing');
  const asked = model === undefined ? undefined : encodeURIComponent(model);
  if (named !== undefined && asked !== undefined && named !== asked)
    return wrong(`it is not of the model ${quote(String(model))}`);
  const name = named ?? asked;
  return `${protocol.replace('ws', 'http')}//${host}${name === undefined ? '' : `/models/${name}`}`;
}
