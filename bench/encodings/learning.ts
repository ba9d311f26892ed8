// What encodings cost in learning: digits and flights, learned through each of them, with the bytes of an update or a push.

import { weightCount } from '../../examples/flights/features.ts';
import { Learner } from '../../examples/flights/learner.ts';
import { Prequential } from '../../examples/flights/metrics.ts';
import { emptyFlights, FlightSource } from '../../examples/flights/source.ts';
import { chance, orderOf, readDigits } from '../../examples/mnist/digits.ts';
import { type Digits, pixelCount } from '../../examples/mnist/network.ts';
import { type EncodingName, encodingNames } from '../../src/encodings/names.ts';
import { layout } from '../../src/layout.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { gradientsOf, type Image, initialDigits, digits as model, recognized } from './digits.ts';
import { Loop, type Ways } from './loop.ts';

const seeds = [1, 2, 3];
const digitsInBatch = 32;
const flightsInBatch = 64;
const constant = 0.001;
const falling = { type: 'polynomial', initialLearningRate: 0.001, decaySteps: 1875, endLearningRate: 1e-5, power: 1 } as const;

/** Four tables: updates and pushes of the digits, updates of the flights. About seven minutes. */
export async function learning({ smoke }: Scale): Promise<Table[]> {
  const sets = { training: readDigits('training'), test: readDigits('test') };
  const pass = (ways: Ways, lr: Rate = constant) =>
    seeds.slice(smoke ? 2 : 0).map((seed) => learnDigits(sets, { ways, lr, seed, limit: smoke ? 640 : 60_000 }));
  const caption =
    '784-128-10, lr 0.001, batches of 32, one pass over 60,000 digits; accuracy on 10,000 others, mean of three seeds (least–most); gradients on the weights of a replica';
  const plain = pass({});
  const passes = (way: keyof Ways) =>
    encodingNames.map((name) => [name, name === 'f32' ? plain : pass({ [way]: name })] as const);
  return [
    { title: 'MNIST, encodings of updates', caption, rows: digitRows(passes('updates'), 'update') },
    {
      title: 'MNIST, encodings of updates, with a learning rate that falls',
      caption: 'the same with lr from 0.001 to 0.00001 in a straight line over the pass',
      rows: digitRows(
        (['f32', 'topk'] as const).map((name) => [name, pass({ updates: name }, falling)]),
        'update',
      ),
    },
    {
      title: 'MNIST, encodings of pushes with error feedback, updates in f32',
      caption,
      rows: digitRows(passes('pushes'), 'push'),
    },
    {
      title: 'Flights, encodings of updates',
      caption:
        'logistic regression on 16,384 hashed weights, lr 0.01, rho 0.99, batches of 64, sparse; each flight is predicted before it is learned',
      rows: await flightRows(smoke ? 640 : 500_000),
    },
  ];
}

/** A learning rate, as the optimizer takes it. */
type Rate = typeof constant | typeof falling;

/** What a pass came to. Accuracies are shares of the test digits. */
interface Pass {
  readonly bytes: { readonly update: number; readonly push: number };
  /** Of the replica at the end of the pass, and once it has got what was dropped. */
  readonly accuracy: number;
  readonly settled: number;
}

function digitRows(passes: readonly (readonly [EncodingName, readonly Pass[]])[], of: 'update' | 'push'): Row[] {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const bytesOf = (each: readonly Pass[]) => mean(each.map(({ bytes }) => bytes[of]));
  return passes.map(([what, each]) => {
    const accuracies = each.map(({ accuracy }) => 100 * accuracy);
    const [least, most] = [Math.min(...accuracies), Math.max(...accuracies)].map((value) => value.toFixed(2));
    return {
      what,
      [`bytes per ${of}`]: Math.round(bytesOf(each)),
      'times fewer than f32': rounded(bytesOf(passes[0][1]) / bytesOf(each)),
      'accuracy, %': `${mean(accuracies).toFixed(2)} (${least}–${most})`,
      'settled, %': mean(each.map(({ settled }) => 100 * settled)).toFixed(2),
    };
  });
}

function learnDigits(
  { training, test }: { training: Digits; test: Digits },
  { ways, lr, seed, limit }: { ways: Ways; lr: Rate; seed: number; limit: number },
): Pass {
  const loop = new Loop(model, { lr, initial: initialDigits(chance(seed)) }, ways);
  const order = orderOf({ count: training.count, seed, pass: 0 });
  let next = 0;
  const draw = imageOf(training, () => order[next++]);
  while (next < limit) loop.learn(gradientsOf(loop.weights, draw, Math.min(digitsInBatch, limit - next)));
  const accuracy = accuracyOf(loop, test);
  loop.settle();
  return { bytes: loop.bytes, accuracy, settled: accuracyOf(loop, test) };
}

function accuracyOf({ weights }: Loop<(typeof model.tensors)[number]['name']>, test: Digits): number {
  let next = 0;
  const draw = imageOf(test, () => next++);
  let right = 0;
  for (let i = 0; i < test.count; i++) if (recognized(weights, draw)) right += 1;
  return right / test.count;
}

/** Gives images one after the other, each in the same memory. */
function imageOf(digits: Digits, position: () => number): () => Image {
  const pixels = new Float32Array(pixelCount);
  return () => {
    const at = position();
    for (let j = 0; j < pixelCount; j++) pixels[j] = digits.pixels[at * pixelCount + j] / 255;
    return { label: digits.labels[at], pixels };
  };
}

async function flightRows(limit: number): Promise<Row[]> {
  const rows: Row[] = [];
  let plainBytes = Number.NaN;
  for (const encoding of encodingNames) {
    const { bytes, score } = await learnFlights(encoding, limit);
    if (encoding === 'f32') plainBytes = bytes;
    rows.push({
      what: encoding,
      'bytes per update': Math.round(bytes),
      'times fewer than f32': rounded(plainBytes / bytes),
      AUC: score.auc.toFixed(4),
      'log loss': score.logLoss.toFixed(4),
    });
  }
  return rows;
}

async function learnFlights(updates: EncodingName, limit: number): Promise<{ bytes: number; score: Prequential }> {
  const loop = new Loop(layout({ weights: [weightCount] }), { lr: 0.01, rho: 0.99, sparse: 'lazy' }, { updates });
  const [source, flights, learner, score] = [new FlightSource(), emptyFlights(flightsInBatch), new Learner(), new Prequential()];
  for (let i = 0; i < limit; i += flightsInBatch) {
    await source.read(i, Math.min(flightsInBatch, limit - i), flights);
    const { rows, values } = learner.learn(flights, loop.weights.get('weights'), score);
    loop.learn({ weights: { rows, values } });
  }
  return { bytes: loop.bytes.update, score };
}
