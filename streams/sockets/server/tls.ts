// TLS: a server's certificate and key, checked before anything listens.
import { createSecureContext } from 'node:tls';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';

/** PEM text, or its bytes. */
export type Pem = string | Uint8Array;

/** What a server shows to those who connect with https or wss. */
export interface TlsOptions {
  /** The certificate, with those between it and its root. */
  readonly cert: Pem;
  /** Its key. Never shown. */
  readonly key: Pem;
  /** Further certificates of authorities. */
  readonly ca?: Pem;
}

/** Throws `E_CONFIG` for a certificate and key that cannot be used. */
export function demandTls(tls: TlsOptions): void {
  refuseUnknownOptions('tls', tls, ['cert', 'key', 'ca']);
  if (tls.cert === undefined || tls.key === undefined) throw new GradwireError('E_CONFIG', 'tls needs cert and key, both as PEM');
  demandUsable('tls', tls);
}

/** The certificate authorities that a client trusts. Throws `E_CONFIG` for what is no PEM. */
function demandUsable(what: string, { cert, key, ca }: Partial<TlsOptions>): void {
  try {
    createSecureContext({ cert: text(cert), key: text(key), ca: text(ca) });
  } catch (error) {
    // OpenSSL says what it could not read, and nothing of the key
    throw new GradwireError(
      'E_CONFIG',
      `${what} cannot be used: ${(error as Error).message}; cert and key must be PEM, and a pair`,
    );
  }
}

/** Bytes as Node takes them. */
export function text(pem: Pem | undefined): string | Buffer | undefined {
  return typeof pem === 'string' || pem === undefined ? pem : Buffer.from(pem);
}
