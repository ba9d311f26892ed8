// The end of threads: whenever they are closed, nobody waits for a helper, and none is ended with a piece in its hands.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ArenaMemory } from '../../src/rmsprop/kernel/arena.ts';
import { help } from '../../src/rmsprop/kernel/threads.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { startThreads } from '../../streams/threads/index.ts';
import { threadsOf } from '../../streams/threads/start.ts';
import { chance } from '../support/random.ts';
import { helped, type Watched, watched } from '../support/threads.ts';
import { make, model, sameSteps } from './twins.ts';

const top = fileURLToPath(new URL('../..', import.meta.url));
const deadlineMs = 20_000;

test('threads closed at any moment between steps end no helper in the middle of a piece', async () => {
  const random = chance();
  for (let i = 0; i < 10; i++) {
    const threads = startThreads(3);
    const watch = make(threads);
    const twin = make().made;
    if (i % 3 > 0) await helped(watch as Watched<RMSprop>);
    sameSteps(watch.made, twin, 1 + Math.floor(random() * 3));
    if (i % 2 === 0) threads.close();
    else watch.made.release();
    // ended, but perhaps not yet gone
    const before = watch.floats();
    watch.made.step({ bias: new Float32Array(701) });
    twin.step({ bias: new Float32Array(701) });
    sameSteps(watch.made, twin, 3);
    if (i % 4 === 0) await turn();
    sameSteps(watch.made, twin, 1);
    assert.ok(watch.floats() - before >= 4 * 2 * model.length, 'a helper that was ended took something');
    threads.close();
  }
});

test('whoever is told that the work is over, in a step or at its start, takes nothing any more', () => {
  for (const end of ['release', 'close'] as const) {
    const memories: ArenaMemory[] = [];
    const threads = threadsOf(2, (memory) => {
      memories.push(memory);
      return () => {};
    });
    const { made } = watched(
      () => new RMSprop(model, { threads }),
      () => {
        if (made.version === 0) return;
        // a helper that comes in the middle of a step; it would sleep for ever if it were not told
        help(memories[0], nobody);
        // one that looked for that a moment before it was so: it looks at `open` in threads.ts next
        assert.is(Atomics.load(new Int32Array(memories[0].buffer), 1), 0, 'work was offered');
      },
    );
    const nobody = { run: () => assert.unreachable('a helper took a piece'), rows: () => 0 };
    const twin = new RMSprop(model, {});
    sameSteps(made, twin, 1);
    if (end === 'release') made.release();
    else threads.close();
    sameSteps(made, twin, 1);
  }
});

const program = `
import { layout, RMSprop } from '${top}dist/src/index.js';
import { startThreads } from '${top}dist/streams/threads/index.js';
const threads = startThreads(3);
const optimizer = new RMSprop(layout({ w: [1_000_000] }), { threads });
for (let i = 0; i < 30; i++) {
  optimizer.gradients.flat.fill(i);
  optimizer.step();
  if (WAITS) await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log(optimizer.digest());
`;

test('a process whose threads nobody closed ends by itself, whether they have started or not', async () => {
  for (const waits of [true, false]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program.replace('WAITS', String(waits))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    const [code] = await once(child, 'close');
    clearTimeout(timer);
    assert.is(code, 0, 'it did not end by itself');
    assert.match(printed, /^[0-9a-f]{16}\n$/);
  }
});

test.run();
