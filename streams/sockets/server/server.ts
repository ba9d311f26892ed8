// serve: one port for HTTP and WebSocket, in front of a trainer.
import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { Arrival, Folded, Publication } from '../../operators/flow.ts';
import type { PeerInfo } from './peer-info.ts';
import { serveHub } from './serve-hub.ts';
import type { ServeOptions } from './serve-options.ts';
import type { Served } from './served.ts';

/** A server that listens. Whoever called `serve` closes it. */
export interface Server {
  /** `http://host:port`, or `https://host:port` with TLS. */
  readonly url: string;
  readonly port: number;
  /**
   * The batches that come in, from sockets and HTTP alike. Hot: what comes while nobody is subscribed is answered with
   * `E_NOT_READY`, which asks for the same again. Completes on `close`.
   */
  readonly arrivals$: Observable<Arrival>;
  /** Every replica, worker and recorder that is connected. */
  readonly replicas: readonly PeerInfo[];
  /** Bytes of HTTP bodies that have begun to come and are not whole yet. */
  readonly receivingBytes: number;
  /** A tap: queues each folded batch for recorders, and passes it on unchanged. A server without it has no records. */
  record<Each extends Folded>(): MonoTypeOperatorFunction<Each>;
  /** A tap: queues each update in a shared backlog for all sockets, and passes it on unchanged. */
  broadcast<Input>(): MonoTypeOperatorFunction<Publication<Input>>;
  /**
   * Takes nothing more, completes `arrivals$`, lets the batches in flight be answered, tells everybody that the trainer shuts
   * down (4001), and ends all connections. Each wait is limited by `closeMs`.
   */
  close(): Promise<void>;
}

/**
 * Serves a trainer over HTTP and WebSocket on one port.
 *
 * @throws GradwireError `E_CONFIG` for options, `E_BUSY` where the port is taken.
 */
export async function serve(served: Served, options: ServeOptions = {}): Promise<Server> {
  return (await serveHub(served, options)).server;
}
