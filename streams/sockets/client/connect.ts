// connect: a replica or a worker of a trainer, by its address.
import { socketAddress } from './address.ts';
import { connectOptionsOf, type ReplicaOptions, randomName, type WorkerOptions } from './connect-options.ts';
import { Follower } from './follower.ts';
import { Pushes } from './pushes.ts';
import { RemoteReplica, RemoteWorker } from './remote-replica.ts';

/**
 * Connects to a trainer at once, and again after every cut, until it is closed.
 *
 * `url` is the trainer's, as `http://` or `ws://`, with or without `/models/<name>`. A trainer that is not up yet is waited for.
 *
 * @throws GradwireError `E_CONFIG` for an address or options that do not do.
 */
export function connect<Name extends string = string>(url: string, options: WorkerOptions): RemoteWorker<Name>;
export function connect<Name extends string = string>(url: string, options?: ReplicaOptions): RemoteReplica<Name>;
export function connect<Name extends string>(url: string, options: ReplicaOptions | WorkerOptions = {}): RemoteReplica<Name> {
  const all = connectOptionsOf(options);
  const address = socketAddress(url, all.model);
  if (all.role === 'replica') return opened(new Follower<Name>(address, all), (follower) => new RemoteReplica(follower));
  const producer = all.producer ?? randomName();
  let pushes: Pushes<Name> | undefined;
  const follower = new Follower<Name>(
    address,
    all,
    (send) => (pushes = new Pushes<Name>({ ...all, producer, producerEpoch: all.producerEpoch }, send)),
  );
  return opened(follower, () => new RemoteWorker(follower, pushes as Pushes<Name>));
}

function opened<Name extends string, Face>(follower: Follower<Name>, face: (follower: Follower<Name>) => Face): Face {
  follower.open();
  return face(follower);
}
