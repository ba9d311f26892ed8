// One optimizer step of an MLP in TensorFlow.js: gradwire's optimizer, copies in and out included, against TF.js' own rmsprop.
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type * as TensorFlow from '@tensorflow/tfjs';
import { tfRMSprop } from '../../streams/tfjs/index.ts';
import { startThreads } from '../../streams/threads/index.ts';
import { type Contender, measure, type Running, type Timing, timed } from '../kernel/rounds.ts';
import { type Report, type Row, rounded, type Scale, type Table } from '../report.ts';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs') as typeof TensorFlow;
const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');

type Backend = 'cpu' | 'wasm';
type Whose = 'gradwire' | 'gradwire, 2 threads' | 'TF.js';

/** The table. */
export async function tfjs({ smoke }: Scale): Promise<Report> {
  tf.enableProdMode();
  wasm.setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
  const rows: Row[] = [];
  for (const size of smoke ? [10_000] : [10_000, 100_000, 1_000_000, 10_000_000]) rows.push(await rowOf(size, { smoke }));
  const caption =
    'ns per parameter, medians of rounds that take turns; the ratio is the median of the rounds’ ratios, least and most beside it';
  const table: Table = { title: 'One step of an MLP of n parameters (2 layers, 4 variables), applyGradients', caption, rows };
  return { versions: { tfjs: tf.version_core }, tables: [table] };
}

async function rowOf(size: number, scale: Scale): Promise<Row> {
  const row: Record<string, string | number> = {};
  for (const backend of ['wasm', 'cpu'] as const) {
    const whose: Whose[] = ['gradwire', 'TF.js', ...(backend === 'wasm' ? (['gradwire, 2 threads'] as const) : [])];
    const contenders = whose.map((each) => contender(each, backend));
    const timings = isSlow(size, backend) ? await fewRounds(contenders, size) : await measure(contenders, size, scale);
    const theirs = timings[1];
    for (const [i, { rounds, skipped }] of timings.entries()) {
      row[`${backend}: ${whose[i]}`] = figure(rounds, size, skipped);
      if (i !== 1) row[`${backend}: times${i === 0 ? '' : ', 2 threads'}`] = times(theirs, timings[i]);
    }
  }
  return { what: size.toLocaleString('en'), ...row };
}

/** How many times as fast ours was: the median of the rounds' ratios, and the least and most. Rounds of one number ran one after the other. */
function times(theirs: Timing, ours: Timing): string {
  const ratios = theirs.rounds
    .flatMap((each, i) => (ours.rounds[i] === undefined ? [] : [each / ours.rounds[i]]))
    .sort((a, b) => a - b);
  const [least, most] = [ratios[0], ratios[ratios.length - 1]].map((each) => rounded(each ?? Number.NaN));
  return ratios.length === 0 ? '–' : `${rounded(median(ratios))} (${least}–${most})`;
}

// TF.js takes a second and more for such a step on cpu, which measure() leaves out
function isSlow(size: number, backend: Backend): boolean {
  return backend === 'cpu' && size >= 1_000_000;
}

/** Three rounds of one step of TF.js after ten of ours; none where a step would take a quarter of a minute. */
async function fewRounds([ours, theirs]: readonly Contender[], size: number): Promise<Timing[]> {
  const lanes = [
    { what: ours.what, running: await ours.open(size), steps: 10, rounds: [] as number[] },
    { what: theirs.what, running: await theirs.open(size), steps: 1, rounds: [] as number[] },
  ].slice(0, size > 1_000_000 ? 1 : 2);
  for (const { running } of lanes) await running.time(1);
  for (let round = 0; round < 3; round++)
    for (const { running, steps, rounds } of lanes) rounds.push((await running.time(steps)) / steps);
  for (const { running } of lanes) await running.close?.();
  return [lanes[0], lanes[1] ?? { what: theirs.what, rounds: [], skipped: 'too slow' }];
}

function contender(whose: Whose, backend: Backend): Contender {
  return {
    what: `${whose} ${backend}`,
    async open(size) {
      await tf.setBackend(backend);
      const { time, close } = await stepping(whose, `${whose}/${backend}/${size}`, size);
      return {
        async time(steps) {
          await tf.setBackend(backend);
          return await time(steps);
        },
        close,
      };
    },
  };
}

async function stepping(whose: Whose, name: string, size: number): Promise<Running> {
  // inputs · hidden + hidden + hidden · 10 + 10 parameters
  const hidden = Math.max(8, Math.round(Math.sqrt(size / 10)));
  const inputs = Math.max(1, Math.round((size - 11 * hidden - 10) / hidden));
  const shapes = { kernel1: [inputs, hidden], bias1: [hidden], kernel2: [hidden, 10], bias2: [10] };
  const variables = Object.entries(shapes).map(([each, shape]) => tf.variable(tf.zeros(shape), true, `${name}/${each}`));
  const gradients = Object.fromEntries(
    variables.map((each) => [each.name, tf.randomUniform(each.shape, -0.01, 0.01, 'float32', 5)]),
  );
  const threads = whose === 'gradwire, 2 threads' ? startThreads(2) : undefined;
  const optimizer = whose === 'TF.js' ? tf.train.rmsprop(0.001) : tfRMSprop(tf, { preset: 'tfjs', lr: 0.001, threads });
  // the optimizer meets its variables, and helpers start in a moment
  optimizer.applyGradients(gradients);
  if (threads !== undefined) await delay(200);
  return timed(
    () => optimizer.applyGradients(gradients),
    () => {
      optimizer.dispose();
      threads?.close();
      tf.dispose([variables, gradients]);
    },
  );
}

function median(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function figure(rounds: readonly number[], size: number, skipped: string | undefined): string | number {
  return rounds.length === 0 ? (skipped ?? '–') : rounded(median([...rounds].sort((a, b) => a - b)) / size);
}
