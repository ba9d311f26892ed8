// How many connections there may be of one address, and of those who have not shown who they are.
import { isIPv6, type Socket } from 'node:net';
import { GradwireError } from '../../../../src/errors.ts';
import { isLoopback } from '../loopback.ts';

/** Most connections. */
export interface ConnectionLimits {
  /** Of one address; where it is undefined 16, and for loopback no limit of its own. */
  readonly connectionsPerAddress: number | undefined;
  /** Of those that have not yet said a hello or asked for something that they may have. */
  readonly unauthenticated: number;
}

/** Most connections of an address, of which `told` is what the server was told, if anything. */
export function limitFor(address: string, told: number | undefined): number {
  return told ?? (isLoopback(address) ? Number.POSITIVE_INFINITY : 16);
}

/** The connections of one server, from the moment when they are accepted. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #counts = new Map<string, number>();
  readonly #strangers = new Set<string>();
  readonly #refused = new Map<string, GradwireError>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** A listener for a server's `connection` event. One too many is refused when it asks for something, many more are cut at once. */
  enter(socket: Socket): void {
    const id = idOf(socket);
    const group = groupOf(socket.remoteAddress ?? '');
    const count = (this.#counts.get(group) ?? 0) + 1;
    const limit = limitFor(group, this.#limits.connectionsPerAddress);
    if (socket.remoteAddress === undefined || count > limit * 2) {
      socket.destroy();
      return;
    }
    this.#counts.set(group, count);
    if (count > limit) this.#refused.set(id, busy(`${limit} connections of one address are taken`));
    else if (this.#strangers.size < this.#limits.unauthenticated) this.#strangers.add(id);
    else this.#refused.set(id, busy(`${this.#limits.unauthenticated} connections have not shown who they are`));
    socket.once('close', () => {
      this.#strangers.delete(id);
      this.#refused.delete(id);
      const left = (this.#counts.get(group) ?? 1) - 1;
      if (left === 0) this.#counts.delete(group);
      else this.#counts.set(group, left);
    });
  }

  /** Why a connection is one too many; undefined where it is not. The socket may be the encrypted one above. */
  refuse(socket: Socket): GradwireError | undefined {
    return this.#refused.get(idOf(socket));
  }

  /** A connection has shown who it is, and is no stranger any more. */
  know(socket: Socket): void {
    this.#strangers.delete(idOf(socket));
  }
}

function busy(text: string): GradwireError {
  return new GradwireError('E_BUSY', `${text}; come back later`, { retryable: true, retryAfterMs: 1000 });
}

/** A connection's name, the same for its encrypted socket and for the one below. */
function idOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** The address that counts: of IPv6 the network, since every host has a whole /64; IPv4 behind IPv6 is IPv4. */
export function groupOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain) || plain === '::1') return plain;
  const [left, right] = plain.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const missing: string[] = right === undefined ? [] : new Array(8 - head.length - tail.length).fill('0');
  const network = [...head, ...missing, ...tail].slice(0, 4).map((part) => Number.parseInt(part, 16).toString(16));
  return `${network.join(':')}::/64`;
}
