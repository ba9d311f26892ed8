// Gradients as a dense model of MNIST's size has them: 784-128-10 with softmax, on made-up digits that are as sparse as ink.
import { type Layout, layout } from '../../src/layout.ts';
import type { Tensors } from '../../src/tensors.ts';

type Name = 'hidden/kernel' | 'hidden/bias' | 'out/kernel' | 'out/bias';

/** A digit: pixels from 0 to 1, and what it shows. */
export interface Image {
  readonly label: number;
  readonly pixels: Float32Array;
}

const sizes = { input: 784, hidden: 128, output: 10, batch: 32 };

/** 101,770 parameters. */
export const digits: Layout<Name> = layout({
  'hidden/kernel': [sizes.input, sizes.hidden],
  'hidden/bias': [sizes.hidden],
  'out/kernel': [sizes.hidden, sizes.output],
  'out/bias': [sizes.output],
});

/** Initial parameters: uniform, as Glorot has them. */
export function initialDigits(random: () => number): Record<string, Float32Array> {
  const uniform = (inputs: number, outputs: number) => {
    const limit = Math.sqrt(6 / (inputs + outputs));
    return Float32Array.from({ length: inputs * outputs }, () => (random() * 2 - 1) * limit);
  };
  return { 'hidden/kernel': uniform(sizes.input, sizes.hidden), 'out/kernel': uniform(sizes.hidden, sizes.output) };
}

/** Gives one image after the other, a fifth of its pixels inked: a template for each class, and noise. */
export function drawer(random: () => number): () => Image {
  const templates = Array.from({ length: sizes.output }, () =>
    Float32Array.from({ length: sizes.input }, () => (random() < 0.2 ? 0.3 + random() * 0.7 : 0)),
  );
  return () => {
    const label = Math.floor(random() * sizes.output);
    return { label, pixels: templates[label].map((ink) => (random() < 0.1 ? random() : ink * (0.7 + 0.3 * random()))) };
  };
}

/** The mean gradients of a batch of images, each read before the next is drawn. */
export function gradientsOf(weights: Tensors<Name>, draw: () => Image, batch: number = sizes.batch): Record<Name, Float32Array> {
  const { hidden, output } = sizes;
  const [kernel, bias] = [weights.get('hidden/kernel'), weights.get('hidden/bias')];
  const [outKernel, outBias] = [weights.get('out/kernel'), weights.get('out/bias')];
  const entries = digits.tensors.map(({ name, length }) => [name, new Float32Array(length)] as const);
  const gradients = Object.fromEntries(entries) as Record<Name, Float32Array>;
  for (let image = 0; image < batch; image++) {
    const { label, pixels } = draw();
    const active = dense(pixels, kernel, bias).map((value) => Math.max(0, value));
    const logits = dense(active, outKernel, outBias);
    const largest = Math.max(...logits);
    const exponentials = logits.map((value) => Math.exp(value - largest));
    const sum = exponentials.reduce((all, value) => all + value, 0);
    const errors = exponentials.map((value, i) => (value / sum - (i === label ? 1 : 0)) / batch);
    const back = new Float32Array(hidden);
    for (let j = 0; j < hidden; j++)
      for (let i = 0; i < output; i++) if (active[j] > 0) back[j] += errors[i] * outKernel[j * output + i];
    outer(active, errors, gradients['out/kernel']);
    outer(pixels, back, gradients['hidden/kernel']);
    for (let i = 0; i < output; i++) gradients['out/bias'][i] += errors[i];
    for (let j = 0; j < hidden; j++) gradients['hidden/bias'][j] += back[j];
  }
  return gradients;
}

/** Whether the model recognizes the next image. */
export function recognized(weights: Tensors<Name>, draw: () => Image): boolean {
  const { label, pixels } = draw();
  const active = dense(pixels, weights.get('hidden/kernel'), weights.get('hidden/bias')).map((value) => Math.max(0, value));
  const logits = dense(active, weights.get('out/kernel'), weights.get('out/bias'));
  return logits.indexOf(Math.max(...logits)) === label;
}

function dense(inputs: Float32Array, kernel: Float32Array, bias: Float32Array): Float32Array {
  const outputs = bias.slice();
  const { length } = outputs;
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i];
    if (input === 0) continue;
    const first = i * length;
    for (let j = 0; j < length; j++) outputs[j] += input * kernel[first + j];
  }
  return outputs;
}

function outer(inputs: Float32Array, errors: Float32Array, sums: Float32Array): void {
  const { length } = errors;
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i];
    if (input === 0) continue;
    const first = i * length;
    for (let j = 0; j < length; j++) sums[first + j] += input * errors[j];
  }
}
