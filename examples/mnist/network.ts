// The network 784-128-10 in TensorFlow.js, its examples as tensors, and its accuracy; for Node and for pages.
import type { Tensor2D } from '@tensorflow/tfjs';

/** TensorFlow.js, as far as all its builds have it. */
type Tf = typeof import('@tensorflow/tfjs');

/** Pixels of a digit: 28 rows of 28. */
export const pixelCount: number = 28 * 28;

const classes = 10;

/** Images, one after the other, and what each of them shows. */
export interface Digits {
  readonly count: number;
  /** {@link pixelCount} a digit, row by row: 0 is paper, 255 is ink. */
  readonly pixels: Uint8Array;
  /** 0 to 9. */
  readonly labels: Uint8Array;
}

/** The network as a compiled model, its weights drawn by `seed`; `hidden/kernel`, `hidden/bias`, `out/kernel`, `out/bias`. */
export function network(tf: Tf, seed: number): import('@tensorflow/tfjs').Sequential {
  const initializer = (offset: number) => tf.initializers.glorotUniform({ seed: 2 * seed + offset });
  const { dense } = tf.layers;
  const model = tf.sequential({
    layers: [
      dense({ name: 'hidden', units: 128, activation: 'relu', inputShape: [pixelCount], kernelInitializer: initializer(1) }),
      dense({ name: 'out', units: classes, activation: 'softmax', kernelInitializer: initializer(2) }),
    ],
  });
  // the optimizer is the trainer's: this one takes no step
  model.compile({ optimizer: tf.train.sgd(0), loss: 'categoricalCrossentropy' });
  return model;
}

/** The digits at these positions as tensors: pixels from 0 to 1, and labels one-hot. Whoever asks disposes of them. */
export function examplesOf(tf: Tf, digits: Digits, positions: ArrayLike<number>): { xs: Tensor2D; ys: Tensor2D } {
  const { length } = positions;
  const pixels = new Float32Array(length * pixelCount);
  const labels = new Float32Array(length * classes);
  for (let i = 0; i < length; i++) {
    const at = positions[i];
    for (let j = 0; j < pixelCount; j++) pixels[i * pixelCount + j] = digits.pixels[at * pixelCount + j] / 255;
    labels[i * classes + digits.labels[at]] = 1;
  }
  return { xs: tf.tensor2d(pixels, [length, pixelCount]), ys: tf.tensor2d(labels, [length, classes]) };
}

/** Which share of the digits, from 0 to 1, the model recognizes; `xs` are their pixels. */
export function accuracyOf(tf: Tf, model: ReturnType<typeof network>, xs: Tensor2D, { labels, count }: Digits): number {
  const best = tf.tidy(() => (model.predict(xs, { batchSize: count }) as Tensor2D).argMax(1).dataSync());
  let right = 0;
  for (let i = 0; i < count; i++) if (best[i] === labels[i]) right += 1;
  return right / count;
}
