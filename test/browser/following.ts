// A replica in a page that notes every frame it applies, with the digest of the weights it holds then.
import { type ClientSocket, connect, type RemoteReplica, type SocketClass } from 'gradwire/sockets';

declare const location: { readonly origin: string };
declare const WebSocket: SocketClass;
declare const document: EventTarget;

/** A frame that was applied, and what the page holds after it. */
export interface Applied {
  readonly kind: 'update' | 'weights';
  readonly epoch: number;
  readonly version: number;
  /** The xxHash64 of the weights. */
  readonly digest: string;
}

/** How far the page is. */
export interface Progress {
  readonly version: number;
  /** Updates applied that made a version. */
  readonly updates: number;
  /** Turns of a timer. */
  readonly ticks: number;
  /** Whether the browser has said that it runs no more tasks of the page. */
  readonly asleep: boolean;
  readonly counts: RemoteReplica['counts'];
}

/** What is done to the replica on purpose: nothing, unless told. */
export interface Tampering {
  /** From this version on one bit of the weights that it holds is another. */
  readonly heldAt?: number;
  /** One bit of the values of the message with this number is another when it comes, counted from 1. */
  readonly message?: number;
}

/** What the test asks the page for, on `globalThis.following`. */
export interface Following {
  progress(): Progress;
  /** Resolves when that version is held. */
  reached(version: number): Promise<void>;
  /** Resolves when the weights have that digest. */
  became(digest: string): Promise<void>;
  /** All frames that were applied. */
  history(): readonly Applied[];
}

/** Follows the trainer behind the page's own origin from now on. */
export function run({ heldAt, message }: Tampering): void {
  const WebSocketClass = message === undefined ? WebSocket : flipping(WebSocket, message);
  const replica = connect(location.origin, { backoffMinMs: 1, backoffMaxMs: 50, WebSocket: WebSocketClass });
  const history: Applied[] = [];
  let [updates, ticks, tampered, asleep] = [0, 0, false, false];
  document.addEventListener('freeze', () => {
    asleep = true;
  });
  document.addEventListener('resume', () => {
    asleep = false;
  });
  setInterval(() => {
    ticks += 1;
  }, 5);
  replica.updates$.subscribe(({ kind, version }) => {
    if (kind === 'update' && version !== history.at(-1)?.version) updates += 1;
    if (!tampered && version === heldAt) {
      tampered = true;
      flip(replica.weights.flat);
    }
    history.push({ kind, epoch: replica.epoch, version, digest: replica.digest() });
  });
  const following: Following = {
    progress: () => ({ version: replica.version, updates, ticks, asleep, counts: replica.counts }),
    reached: (version) => replica.reached(version),
    became: async (digest) => {
      while (replica.digest() !== digest) await next(replica);
    },
    history: () => history,
  };
  Object.assign(globalThis, { following });
}

function next(replica: RemoteReplica): Promise<void> {
  return new Promise((resolve) => {
    const each = replica.updates$.subscribe(() => {
      each.unsubscribe();
      resolve();
    });
  });
}

// the last bit of the last value, wherever it lies in its buffer
function flip({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
  new Uint8Array(buffer, byteOffset, byteLength)[byteLength - 4] ^= 1;
}

/** The class with one binary message of all its connections damaged. */
function flipping(Class: SocketClass, damaged: number): SocketClass {
  let count = 0;
  const damage = (event: Event & { readonly data?: unknown }): void => {
    const { data } = event;
    if (!(data instanceof ArrayBuffer)) return;
    count += 1;
    if (count === damaged) flip(new Uint8Array(data));
  };
  return class extends (Class as new (url: string, protocols: string[]) => ClientSocket) {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      // heard before the replica's own handler, which gets the same buffer
      (this as unknown as EventTarget).addEventListener('message', damage);
    }
  };
}
