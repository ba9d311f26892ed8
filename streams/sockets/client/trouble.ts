// What ends a connection, seen from the client, as an error with a code of ours.
import { type ErrorCode, GradwireError, printable, quote } from '../../../src/errors.ts';
import { closeCodes } from '../protocol/close-codes.ts';

const codesFor: Readonly<Record<number, ErrorCode>> = {
  [closeCodes.unauthenticated]: 'E_FORBIDDEN',
  [closeCodes.forbidden]: 'E_FORBIDDEN',
  [closeCodes.helloTimeout]: 'E_TIMEOUT',
  [closeCodes.limit]: 'E_TOO_LARGE',
  [closeCodes.wrongModel]: 'E_NOT_FOUND',
  [closeCodes.unknownTensor]: 'E_UNKNOWN',
};

// what a server's reason may name beside those
const further: readonly ErrorCode[] = ['E_PRODUCER_FENCED'];

/** The error of a close that asks not to come back. The server's reason begins with a code, where it gives one. */
export function errorOfClose(code: number, reason: string): GradwireError {
  const [, named = '', text = reason] = /^(E_[A-Z_]+): (.*)$/s.exec(printable(reason)) ?? [];
  const known = [...Object.values(codesFor), ...further].find((each) => each === named) ?? codesFor[code] ?? 'E_PROTOCOL';
  return new GradwireError(
    known,
    text === '' ? `the trainer closed the connection with code ${code}` : `${text} (close code ${code})`,
  );
}

/**
 * The error of a request that was answered with an HTTP status in place of a WebSocket, where coming back would not help.
 * ws tells the status in the text of its error; browsers keep it to themselves.
 */
export function errorOfRefusal(text: string, url: string): GradwireError | undefined {
  const status = Number(/^Unexpected server response: (\d{3})$/.exec(text)?.[1] ?? 0);
  if (status < 400 || status > 499 || status === 408 || status === 429) return undefined;
  if (status === 404)
    return new GradwireError('E_NOT_FOUND', `no model is at ${quote(url)} (HTTP 404); check the name after /models/`);
  if (status === 401 || status === 403)
    return new GradwireError('E_FORBIDDEN', `${quote(url)} refuses this client (HTTP ${status})`);
  return new GradwireError('E_PROTOCOL', `${quote(url)} is no gradwire server (HTTP ${status})`);
}
