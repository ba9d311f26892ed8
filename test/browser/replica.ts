// A replica and a worker in a page: follow a trainer to a version, push a batch, and tell where they stand.
import { connect } from 'gradwire/sockets';

// the page's own address, where WebSockets lead on to the trainer
declare const location: { readonly origin: string };

/** What the page tells. */
export interface Told {
  readonly digest: string;
  readonly stamp: { readonly run: string; readonly epoch: number; readonly version: number };
  readonly versions: number;
  readonly counts: { readonly resumed: number; readonly reset: number; readonly troubles: number };
  readonly pushed: number;
  readonly some: readonly [digest: string, names: readonly string[]];
}

/** Follows up to `version`; then pushes one batch. */
export async function run({ version, tensor }: { version: number; tensor: string }): Promise<Told> {
  const quick = { backoffMinMs: 1, backoffMaxMs: 20 };
  const replica = connect(location.origin, quick);
  const part = connect(location.origin, { ...quick, tensors: [tensor] });
  let versions = 0;
  replica.version$.subscribe(() => {
    versions += 1;
  });
  await Promise.all([replica.reached(version), part.reached(version)]);
  const { digest, stamp } = replica.read((_, { run, epoch, version: held }) => ({
    digest: replica.digest(),
    stamp: { run, epoch, version: held },
  }));
  const { resumed, reset, troubles } = replica.counts;
  const some = [part.digest(), [...part.weights].map(([name]) => name)] as const;
  const worker = connect(location.origin, { ...quick, role: 'worker' });
  const { version: pushed } = await worker.push({ gradients: { [tensor]: Float32Array.of(1, 2, 3) } });
  await Promise.all([replica, part, worker].map((each) => each.close()));
  return { digest, stamp, versions, counts: { resumed, reset, troubles }, pushed, some };
}
