// Digits in the browser: a trainer in this process that serves two pages, and workers in their own that keep it learning.
import { fromModel, layoutOf } from 'gradwire/tfjs';
import { network } from '../mnist/network.ts';
import { type Member, startMember } from '../support/crew.ts';
import { onInterrupt } from '../support/interrupt.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';
import { outliveReader } from '../support/place.ts';
import { startTrainer } from '../support/start-trainer.ts';
import { type Options, readOptions } from './options.ts';
import { makePages } from './pages.ts';

const seed = 1;

// it learns for as long as it is left to, so the recording has a limit: some hours of it stay
const segmentBytes = 64 << 20;
const retention = { bytes: 1 << 30 };

outliveReader();
try {
  await run(readOptions(process.argv.slice(2)));
} catch (error) {
  warn(error instanceof Error ? error.message : String(error));
  process.exit(1); // the workers end with this process
}

async function run({ dir, port, encoding, workers, rate }: Options): Promise<void> {
  const interrupted = onInterrupt(() => undefined);
  const { tf } = await loadTensorFlow();
  const first = network(tf, seed);
  const { t } = await startTrainer({
    example: 'browser',
    model: layoutOf(first),
    optimizer: { lr: 0.001, initial: fromModel(tf, first) },
    directory: dir,
    segmentBytes,
    retention,
    port,
    listen: { pages: makePages() },
    publish: { encoding },
    trouble: warn,
  });
  say(`${t.url}/draw follows, ${t.url}/train trains in the tab  (${dir}, version ${t.version})`);
  const crew = Array.from({ length: workers }, (_, i) => start(i + 1, { url: t.url, rate, interrupted }));
  const asked = new Promise<void>((resolve) => {
    interrupted.addEventListener('abort', () => resolve());
    if (interrupted.aborted) resolve();
  });
  await Promise.race([asked, t.closed]);
  for (const member of crew) member.dismiss();
  await t.close();
  say(`stopped at version ${t.version}; the same command goes on from there`);
}

/** Starts a worker. One that ends early is told of in one line, and missed by nobody. */
function start(
  number: number,
  { url, rate, interrupted }: { url: string; rate: number; interrupted: AbortSignal },
): Member<never, never> {
  const args = [url, `w${number}`, String(seed + number), String(rate)];
  const member = startMember<never, never>(import.meta.url, { role: 'worker', number, args });
  void member.ended.then((reason) => {
    if (!interrupted.aborted) warn(`${reason ?? `${member.name} ended`}; the others go on`);
  });
  return member;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}
