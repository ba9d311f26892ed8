// Helpers: what they do, when they start, and that nobody waits for one that is not there.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSnapshot, encodeSnapshot } from '../../src/frames/snapshot.ts';
import { layout } from '../../src/layout.ts';
import { Producers } from '../../src/producers.ts';
import { type ArenaMemory, makeArena } from '../../src/rmsprop/kernel/arena.ts';
import { passes } from '../../src/rmsprop/kernel/control.ts';
import { instantiate } from '../../src/rmsprop/kernel/kernel.ts';
import { Crew } from '../../src/rmsprop/kernel/threads.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { startThreads as startInBrowser } from '../../streams/threads/browser.ts';
import { type StartedThreads, startThreads } from '../../streams/threads/index.ts';
import { threadsOf } from '../../streams/threads/start.ts';
import { refused } from '../support/refused.ts';
import { helped, type Watched } from '../support/threads.ts';
import { make, model, sameSteps } from './twins.ts';

const built = fileURLToPath(new URL('../../dist/streams/threads/node-helper.js', import.meta.url));
const deadlineMs = 20_000;

/** Threads whose workers a test holds itself, as nobody else can. */
function heldThreads(count: number): { threads: StartedThreads; workers: Worker[] } {
  const workers: Worker[] = [];
  const start = (workerData: ArenaMemory): (() => void) => {
    const worker = new Worker(built, { workerData, execArgv: [] });
    workers.push(worker);
    return () => void worker.terminate();
  };
  return { threads: threadsOf(count, start), workers };
}

test('helpers do whatever the calling thread leaves to them', () => {
  const length = 1_000_003;
  const arena = makeArena(layout({ w: [length] }), {
    centered: false,
    momentum: false,
    average: false,
    gradientSum: false,
    shared: true,
  });
  const threads = startThreads(3);
  const crew = new Crew(arena.memory, threads);
  const wasm = instantiate(arena.memory);
  arena.gradients.fill(1);
  let mine = 0;
  // the calling thread waits, with the first piece in its hands, until all others are done: they end with the range
  const last = arena.sums.subarray(Math.ceil(length / 4096) - 1);
  const run: typeof wasm.run = (...given) => {
    for (const start = performance.now(); last[0] === 0; ) assert.ok(performance.now() - start < deadlineMs, 'no helper came');
    mine += given[3];
    wasm.run(...given);
  };
  crew.run({ ...wasm, run }, passes.squares, 0, 0, length);
  assert.is(
    arena.sums.reduce((sum, each) => sum + each, 0),
    length,
  );
  assert.ok(mine < length / 2, `the calling thread did ${mine} floats of ${length}`);
  threads.close();
});

test('thousands of hand-overs to more threads than there are cores lose and repeat nothing', async () => {
  const threads = startThreads(5);
  const short = layout({ w: [131_075] });
  const [optimizer, twin] = [{ threads }, {}].map((more) => new RMSprop(short, { clipnorm: 1, lr: 1e-4, ...more }));
  for (let i = 0; i < 1000; i++) {
    for (const each of [optimizer, twin]) each.gradients.flat.fill((i % 7) - 3.5);
    assert.is(optimizer.step().updateNorm, twin.step().updateNorm, `step ${i}`);
    // helpers sleep, and wake late
    if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.is(optimizer.digest(), twin.digest());
  threads.close();
});

test('a number of threads that is none is refused, and a page that cannot share memory', () => {
  for (const count of [0, 1.5, 1000, -1, Number.NaN, '2' as unknown as number])
    refused('E_CONFIG', () => startThreads(count), /1 to 256/);
  refused('E_CONFIG', () => startInBrowser(2), /cross-origin isolated/);
  const threads = startThreads(1);
  sameSteps(make(threads).made, make().made, 2);
  threads.close();
});

test('several optimizers have helpers each from the same threads, and lose them alone or together', async () => {
  const threads = startThreads(2);
  const all = [1, 2, 3].map(() => make(threads));
  for (const each of all) await helped(each as Watched<RMSprop>);
  all[0].made.release();
  for (let i = 0; i < 3; i++) {
    for (const { made } of all) {
      const twin = make().made;
      twin.restore(made.state());
      sameSteps(made, twin, 1);
    }
    if (i === 1) threads.close();
  }
  all[0].made.release();
  refused('E_CONFIG', () => make(threads), /closed/);
  threads.close();
});

test('an optimizer whose helpers have not started yet, or never start, folds alone to the same bits', () => {
  const threads = startThreads(3);
  sameSteps(make(threads).made, make().made, 2);
  sameSteps(make({ count: 4, attach: () => () => {} }).made, make().made, 2);
  threads.close();
});

test('helpers that are started late take part, and one that is ended while it sleeps is not missed', async () => {
  const { threads, workers } = heldThreads(3);
  const watch = make(threads);
  const twin = make().made;
  sameSteps(watch.made, twin, 1);
  await helped(watch as Watched<RMSprop>);
  sameSteps(watch.made, twin, 2);
  for (const worker of workers) {
    await worker.terminate();
    sameSteps(watch.made, twin, 2);
  }
  threads.close();
});

test('where one helper cannot be started the others are ended', () => {
  let running = 0;
  const threads = threadsOf(4, () => {
    if (running === 2) throw new RangeError('no more workers');
    running += 1;
    return () => {
      running -= 1;
    };
  });
  assert.throws(() => make(threads), /no more workers/);
  assert.is(running, 0);
});

test('a snapshot of an optimizer with threads goes on to the same bits with and without them', async () => {
  const threads = startThreads(2);
  const watch = make(threads);
  const twin = make().made;
  await helped(watch as Watched<RMSprop>);
  sameSteps(watch.made, twin, 2);
  const { parameters, version } = watch.made;
  const position = { model: 'm', run: 'r', epoch: 0, version, examples: 0 };
  const rest = { optimizer: watch.made.getConfig(), producers: new Producers() };
  const frames = [watch.made, twin].map((each) => encodeSnapshot({ ...position, ...rest, parameters, state: each.state() }));
  assert.equal(Buffer.compare(frames[0], frames[1]), 0);
  const { optimizer, state } = decodeSnapshot(frames[0]);
  const config = JSON.parse(JSON.stringify(optimizer));
  for (const options of [{ threads }, {}]) {
    const again = new RMSprop(model, { ...config, ...options });
    again.restore(state);
    const other = make().made;
    other.restore(twin.state());
    sameSteps(again, other, 2);
  }
  threads.close();
});

test.run();
