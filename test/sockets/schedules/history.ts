// What a replica went through, as it happened: what it said, what it was told, what it applied, and what could be read of it.
import { WebSocket } from 'ws';
import type { RemoteReplica } from '../../../streams/sockets/index.ts';
import { readFrame } from '../raw.ts';

/** A place in a trainer's history. */
export interface Place {
  readonly run: string;
  readonly epoch: number;
  readonly version: number;
}

/** One thing that happened. */
export type Moment =
  | { readonly kind: 'hello'; readonly resume: (Place & { readonly digest: string }) | undefined }
  | ({ readonly kind: 'welcome'; readonly resumed: boolean; readonly reason: string | null } & Place)
  | ({ readonly kind: 'frame'; readonly what: 'update' | 'weights'; readonly from: number } & Place)
  | { readonly kind: 'applied'; readonly what: 'update' | 'weights'; readonly from: number; readonly version: number }
  /** The weights were looked at, as any program may at any time. */
  | { readonly kind: 'seen'; readonly epoch: number; readonly version: number; readonly digest: string };

/** What lies between the wire and the replica in a control: messages in, the messages that the replica gets instead out. */
export type Tamper = (message: string | Uint8Array) => readonly (string | Uint8Array)[];

/** What happened to one replica; give `WebSocket` to its `connect`, and the replica to `watch`. */
export class History {
  readonly moments: Moment[] = [];
  /** Errors of `updates$`. */
  readonly errors: string[] = [];
  /** A WebSocket class that writes everything down. `resends` is the share of a worker's frames that it sends twice. */
  readonly WebSocket: typeof TappedSocket;
  resent = 0;
  /** Messages that could not be read; without a tamper there are none. */
  unreadable = 0;

  constructor({ tamper, doubles = () => false }: { readonly tamper?: Tamper; readonly doubles?: () => boolean } = {}) {
    const history = this;
    this.WebSocket = class extends TappedSocket {
      override received(message: string | Uint8Array): readonly (string | Uint8Array)[] {
        const passed = tamper?.(message) ?? [message];
        for (const each of passed) history.#note(each);
        return passed;
      }

      override sends(message: string | Uint8Array): number {
        if (typeof message === 'string') {
          history.moments.push({ kind: 'hello', resume: JSON.parse(message).resume });
          return 1;
        }
        if (!doubles()) return 1;
        history.resent += 1;
        return 2;
      }
    };
  }

  /** Writes down what the replica applies, with what can be read of it then. */
  watch(replica: RemoteReplica): void {
    replica.updates$.subscribe({
      next: ({ kind, from, version }) => {
        this.moments.push({ kind: 'applied', what: kind, from, version });
        this.look(replica);
      },
      error: (error) => this.errors.push(String(error)),
    });
  }

  /** Looks at the replica now. */
  look(replica: RemoteReplica): void {
    if (replica.run === undefined) return;
    const { epoch, version } = replica;
    this.moments.push({ kind: 'seen', epoch, version, digest: replica.digest() });
  }

  count(wanted: Moment['kind'], holds: (moment: never) => boolean = () => true): number {
    return this.moments.filter((moment) => moment.kind === wanted && holds(moment as never)).length;
  }

  // what a control has made unreadable is nothing that a replica takes
  #note(message: string | Uint8Array): void {
    try {
      this.moments.push(...momentsIn(message));
    } catch (error) {
      this.unreadable += 1;
      if (!(error instanceof Error)) throw error;
    }
  }
}

/** What a message of the server is in a history: acks and heartbeats are nothing. */
function momentsIn(message: string | Uint8Array): Moment[] {
  if (typeof message === 'string') {
    const { type, run, epoch, version, resumed, reason } = JSON.parse(message);
    return type === 'welcome' ? [{ kind: 'welcome', run, epoch, version, resumed, reason }] : [];
  }
  const { metadata } = readFrame(message);
  const { run, epoch, from = '0', version } = metadata;
  const what = metadata.kind as 'update' | 'weights';
  return [{ kind: 'frame', what, run, epoch: Number(epoch), from: Number(from), version: Number(version) }];
}

type Handler = ((event: never) => void) | null;

/** The WebSocket of the package ws behind a look at everything that passes. */
class TappedSocket {
  binaryType = 'arraybuffer';
  onopen: Handler = null;
  onmessage: Handler = null;
  onclose: Handler = null;
  onerror: Handler = null;
  readonly #socket: WebSocket;

  constructor(url: string, protocols: string[], options?: object) {
    this.#socket = new WebSocket(url, protocols, options);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = (event) => this.onopen?.(event as never);
    this.#socket.onerror = (event) => this.onerror?.(event as never);
    this.#socket.onclose = (event) => this.onclose?.(event as never);
    this.#socket.onmessage = ({ data }) => {
      const message = typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer);
      for (const each of this.received(message)) {
        const passed = typeof each === 'string' ? each : each.slice().buffer;
        this.onmessage?.({ data: passed } as never);
      }
    };
  }

  received(message: string | Uint8Array): readonly (string | Uint8Array)[] {
    return [message];
  }

  /** How often a message is sent. */
  sends(_message: string | Uint8Array): number {
    return 1;
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    const times = this.sends(data);
    for (let i = 0; i < times; i++) this.#socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
