// What the two processes of a broadcast say to each other.

/** Who sends. */
export type Sender = 'gradwire' | 'ws' | 'socket.io' | 'nats';

/** To the readers: open so many connections, and tell each time that all of them have read `window` messages more; or close them. */
export type ReadersOrder =
  | { readonly what: 'open'; readonly peer: Sender; readonly port: number; readonly count: number; readonly window: number }
  | { readonly what: 'close' };

/** From the readers. */
export type FromReaders =
  | { readonly what: 'ready' }
  | { readonly what: 'past'; readonly windows: number }
  | { readonly what: 'failed'; readonly text: string };
