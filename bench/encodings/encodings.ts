// Encodings: bytes of an update, the time to make it and to apply it, and how far the published weights are from the parameters.
import { type EncodingName, encodingNames } from '../../src/encodings/names.ts';
import { encodeUpdate } from '../../src/frames/update.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import { layout } from '../../src/layout.ts';
import { Published } from '../../src/published.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { Replica } from '../../src/strict-replica.ts';
import { type Report, type Row, rounded, type Scale } from '../report.ts';
import { digits, drawer, gradientsOf, initialDigits } from './digits.ts';
import { learning } from './learning.ts';

/** A model's steps, one after the other. */
interface Steps {
  readonly optimizer: RMSprop;
  step(): ReturnType<RMSprop['step']>;
}

const position = { model: 'm', run: 'r', epoch: 1 };

/** All tables: about seven minutes. */
export async function encodings(scale: Scale): Promise<Report> {
  const { smoke } = scale;
  return {
    tables: [
      {
        title: '784-128-10 on made-up digits, batches of 32: an update of 101,770 dense parameters',
        caption: 'medians of one run; times in milliseconds, one thread',
        rows: table(digitSteps, smoke ? 5 : 200),
      },
      { title: '1,000,000 dense parameters', rows: table(millionSteps, smoke ? 2 : 40) },
      ...(await learning(scale)),
    ],
  };
}

function table(steps: () => Steps, count: number): Row[] {
  const measured = encodingNames.map((encoding) => ({ encoding, ...measure(encoding, steps(), count) }));
  return measured.map(({ encoding, bytes, encodeMs, applyMs, error }) => ({
    what: encoding,
    bytes,
    'times fewer than f32': rounded(measured[0].bytes / bytes),
    'encode ms': rounded(encodeMs),
    'apply ms': rounded(applyMs),
    'largest error': rounded(error),
  }));
}

function measure(
  encoding: EncodingName,
  { optimizer, step }: Steps,
  count: number,
): { readonly bytes: number; readonly encodeMs: number; readonly applyMs: number; readonly error: number } {
  const published = new Published(optimizer.parameters, { encoding });
  const replica = new Replica();
  replica.accept(encodeWeights({ ...position, version: 0 }, published.weights));
  const runs: { bytes: number; encodeMs: number; applyMs: number }[] = [];
  for (let i = 0; i < count; i++) {
    const { version, learningRate, touched } = step();
    const startMs = performance.now();
    const forms = published.take(touched, optimizer.parameters);
    const header = {
      ...position,
      from: version - 1,
      version,
      encoding,
      learningRate,
      folded: [['worker-1', 1, version]] as const,
    };
    const frame = encodeUpdate(header, forms);
    const encodedMs = performance.now();
    replica.accept(frame);
    runs.push({ bytes: frame.byteLength, encodeMs: encodedMs - startMs, applyMs: performance.now() - encodedMs });
  }
  if (!same(replica.weights.flat, published.weights.flat))
    throw new Error(`${encoding}: the replica has other bits than the trainer's published weights`);
  let error = 0;
  for (let i = 0; i < optimizer.parameters.flat.length; i++)
    error = Math.max(error, Math.abs(optimizer.parameters.flat[i] - published.weights.flat[i]));
  const median = (of: 'bytes' | 'encodeMs' | 'applyMs') => runs.map((run) => run[of]).sort((a, b) => a - b)[runs.length >> 1];
  return { bytes: median('bytes'), encodeMs: median('encodeMs'), applyMs: median('applyMs'), error };
}

function same(a: Float32Array, b: Float32Array): boolean {
  return (
    Buffer.compare(Buffer.from(a.buffer, a.byteOffset, a.byteLength), Buffer.from(b.buffer, b.byteOffset, b.byteLength)) === 0
  );
}

function digitSteps(): Steps {
  const random = seeded(7);
  const draw = drawer(random);
  const optimizer = new RMSprop(digits, { lr: 0.001, initial: initialDigits(random) });
  return { optimizer, step: () => optimizer.step(gradientsOf(optimizer.parameters, draw)) };
}

function millionSteps(): Steps {
  const random = seeded(8);
  const optimizer = new RMSprop(layout({ w: [1000, 1000] }), { lr: 0.001 });
  const gradients = Array.from({ length: 4 }, () => Float32Array.from({ length: 1e6 }, () => random() - 0.5));
  return { optimizer, step: () => optimizer.step({ w: gradients[optimizer.version % 4] }) };
}

function seeded(from: number): () => number {
  let state = from;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
