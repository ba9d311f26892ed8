// The address of a trainer: what people write, and the WebSocket behind it.
import { GradwireError, quote } from '../../../src/errors.ts';

/**
 * The WebSocket address for `http://`, `https://`, `ws://` or `wss://`, with or without `/models/<name>`; without it, of the one
 * model that the server has.
 *
 * @throws GradwireError `E_CONFIG` for anything else, and where `model` is not the name in the address.
 */
export function socketAddress(address: string, model?: string): string {
  const url = parse(address);
  const named = /^\/models\/([^/]+)\/?$/.exec(url.pathname)?.[1];
  if (named === undefined && url.pathname !== '/') throw wrong(address, 'its path must be /models/<name>, or nothing');
  if (named !== undefined && model !== undefined && decode(named, address) !== model)
    throw wrong(address, `it is not of the model ${quote(model)}`);
  const name = named ?? (model === undefined ? undefined : encodeURIComponent(model));
  return `${url.protocol.replace('http', 'ws')}//${url.host}/${name === undefined ? '' : `models/${name}`}`;
}

function parse(address: string): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch (cause) {
    throw wrong(address, 'it must look like http://127.0.0.1:8080', cause);
  }
  if (!/^(https?|wss?):$/.test(url.protocol)) throw wrong(address, 'it must begin with http:, https:, ws: or wss:');
  if (url.username !== '' || url.password !== '') throw wrong(url.host, 'it must not hold a user or a password');
  // a query is where tokens end up in logs
  if (url.search !== '') throw wrong(url.host, 'it must not hold a query; a token is an option of its own');
  return url;
}

function decode(name: string, address: string): string {
  try {
    return decodeURIComponent(name);
  } catch (cause) {
    throw wrong(address, 'the name in its path is badly escaped', cause);
  }
}

function wrong(address: string, why: string, cause?: unknown): GradwireError {
  return new GradwireError('E_CONFIG', `the address ${quote(String(address))} does not do: ${why}`, { cause });
}
