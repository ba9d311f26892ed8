// connect, for any place: what differs between Node and a browser is an argument.
import { socketAddress } from './address.ts';
import { connectOptionsOf, type ReplicaOptions, randomName, type WorkerOptions } from './connect-options.ts';
import { Follower } from './follower.ts';
import type { MakePushes, Pushing } from './pushing.ts';
import { RemoteReplica, RemoteWorker } from './remote-replica.ts';
import type { SocketClass } from './socket-class.ts';

/** `connect`, as every place has it. */
export interface Connect {
  /**
   * Connects to a trainer at once, and again after every cut, until it is closed.
   *
   * `url` is the trainer's, as `http://` or `ws://`, with or without `/models/<name>`. A trainer that is not up yet is waited for.
   *
   * @throws GradwireError `E_CONFIG` for an address or options that do not do.
   */
  <Name extends string = string>(url: string, options: WorkerOptions): RemoteWorker<Name>;
  <Name extends string = string>(url: string, options?: ReplicaOptions<Name>): RemoteReplica<Name>;
}

/** What a place has of its own. */
export interface Place {
  /** The WebSocket class, where an option does not name one. */
  WebSocket(): SocketClass | undefined;
  readonly makePushes: MakePushes;
}

/** The `connect` of a place. */
export function connectBy({ WebSocket, makePushes }: Place): Connect {
  function connect<Name extends string>(url: string, options: WorkerOptions): RemoteWorker<Name>;
  function connect<Name extends string>(url: string, options?: ReplicaOptions<Name>): RemoteReplica<Name>;
  function connect<Name extends string>(url: string, options: ReplicaOptions<Name> | WorkerOptions = {}): RemoteReplica<Name> {
    const all = connectOptionsOf(options, WebSocket());
    const address = socketAddress(url, all.model);
    if (all.role === 'replica') {
      const follower = new Follower<Name>(address, all);
      follower.open();
      return new RemoteReplica(follower);
    }
    const producer = all.producer ?? randomName();
    const { producerEpoch } = all;
    let pushes: Pushing<Name> | undefined;
    const follower = new Follower<Name>(
      address,
      all,
      (send) => (pushes = makePushes<Name>({ ...all, producer, producerEpoch }, send)),
    );
    follower.open();
    return new RemoteWorker(follower, pushes as Pushing<Name>);
  }
  return connect;
}
