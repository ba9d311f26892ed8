// A worker for `trainFrom` that notes what became of each of its batches.
import type { Pushed, RemoteWorker, WorkerBatch } from 'gradwire/sockets';

/** What of a worker `trainFrom` needs. */
interface NotingWorker extends Pick<RemoteWorker, 'ready' | 'version' | 'weights'> {
  push(batch: WorkerBatch): Promise<void>;
}

/** Pushes by `worker`; `note` hears of each batch once it is folded, with the base it was computed on. */
export function notingWorker(
  worker: RemoteWorker,
  note: (batch: WorkerBatch & { readonly base: number }, pushed: Pushed) => void,
): NotingWorker {
  return {
    ready: worker.ready,
    get version() {
      return worker.version;
    },
    get weights() {
      return worker.weights;
    },
    async push(batch) {
      const { base = worker.version } = batch;
      const pushed = await worker.push(batch);
      note({ ...batch, base }, pushed);
    },
  };
}
