// The page that trains: a worker in the tab computes gradients on its own slice of the digits, and pushes them to the trainer.
import { connect, type RemoteWorker } from 'gradwire/sockets';
import { trainFrom } from 'gradwire/tfjs';
import { lastValueFrom } from 'rxjs';
import { type Digits, examplesOf, network } from '../../mnist/network.ts';
import { element, fetchDigits, fetchOk, tell, tellError, tellStatus, whole } from './parts.ts';
import { Progress } from './progress.ts';
import { startTensorFlow } from './tensorflow.ts';

const batch = 32;
const refreshMs = 200;
const lookEveryMs = 2000;

// what is still on its way when a run is stopped has so long to be answered
const farewellMs = 3000;

const button = element('toggle', HTMLButtonElement);
const lanes = element('lanes', HTMLSelectElement);
const tf = await startTensorFlow('/node_modules/@tensorflow/tfjs-backend-wasm/dist/');
const model = network(tf, 0);
const progress = new Progress();
let running: { stop(): void } | undefined;

button.disabled = false;
button.addEventListener('click', () => {
  if (running !== undefined) return running.stop();
  const stopping = new AbortController();
  running = { stop: () => stopping.abort() };
  lanes.disabled = true;
  button.textContent = 'Stop';
  void train(stopping.signal)
    .catch(tellError)
    .finally(() => {
      running = undefined;
      lanes.disabled = false;
      button.textContent = 'Start';
      button.disabled = false;
    });
});
await look();
setInterval(() => void look(), lookEveryMs);

/** Trains until it is told to stop. */
async function train(stopping: AbortSignal): Promise<void> {
  tell({ reason: '' });
  const digits = await fetchSlice();
  const worker = connect(location.origin, { role: 'worker', producer: nameOfTab(), encoding: 'int8', backoffMaxMs: 2000 });
  const following = worker.status$.subscribe(tellStatus);
  const refreshing = setInterval(() => progress.show(worker.version, worker.unanswered), refreshMs);
  stopping.addEventListener('abort', () => {
    button.disabled = true;
    setTimeout(() => void worker.close(), farewellMs);
  });
  try {
    const inFlight = Number(lanes.value);
    const gradients$ = trainFrom(tf, model, examples(digits, stopping), { worker: counted(worker), inFlight, dispose: true });
    await lastValueFrom(gradients$, { defaultValue: undefined });
  } finally {
    progress.show(worker.version, worker.unanswered);
    clearInterval(refreshing);
    await worker.close();
    following.unsubscribe();
  }
}

/** Digits of the slice, drawn by chance, until it is told to stop: the next ones are taken when a batch has been answered. */
async function* examples(digits: Digits, stopping: AbortSignal): AsyncGenerator<ReturnType<typeof examplesOf>> {
  while (!stopping.aborted)
    yield examplesOf(
      tf,
      digits,
      Array.from({ length: batch }, () => Math.floor(Math.random() * digits.count)),
    );
}

/** The worker, with all that it pushes counted. */
function counted(worker: RemoteWorker): Pick<RemoteWorker, 'ready' | 'version' | 'weights' | 'push'> {
  return {
    ready: worker.ready,
    get version() {
      return worker.version;
    },
    get weights() {
      return worker.weights;
    },
    async push(given) {
      const pushedMs = performance.now();
      const pushed = await worker.push(given);
      const { base = worker.version, examples: count = 0, loss = Number.NaN } = given;
      progress.add({ digits: count, loss, staleness: pushed.version - 1 - base, waitedMs: performance.now() - pushedMs });
      return pushed;
    },
  };
}

/** A slice of the digits for this tab, by chance. */
async function fetchSlice(): Promise<Digits> {
  const { slices, sliceLength } = await (await fetchOk('/digits/slices')).json();
  const slice = Math.floor(Math.random() * slices);
  const last = (slice + 1) * sliceLength;
  tell({ slice: `${whole(last - sliceLength)} to ${whole(last - 1)} of ${whole(slices * sliceLength)}` });
  return await fetchDigits(`/digits/training/${slice}`);
}

/** A name that the tab keeps when it is loaded anew, so that the trainer knows one producer and not many. */
function nameOfTab(): string {
  const name = sessionStorage.getItem('producer') ?? `tab-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  sessionStorage.setItem('producer', name);
  return name;
}

/** Who else is at the trainer. */
async function look(): Promise<void> {
  try {
    const { workers, replicas, version } = await (await fetchOk('/models/default')).json();
    tell({ crew: `${workers} training, ${replicas} following`, trainer: whole(version) });
  } catch {
    tell({ crew: 'the trainer does not answer' });
  }
}
