// TensorFlow.js for tests: the build that the loader of the examples finds, its backends, and small models of known weights.
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import { loadTensorFlow, type Tf } from '../../examples/support/load-tensorflow.ts';

const loaded = await loadTensorFlow();

/** The TensorFlow.js that this machine has. */
export const tf: Tf = loaded.tf;

/** Its backends to test on: cpu and wasm, or tfjs-node's own. */
export const backends: readonly string[] = loaded.backend === 'wasm' ? ['cpu', 'wasm'] : ['tensorflow', 'cpu'];

/** A network of 4 inputs, 8 hidden and 1 output; each has the same first weights. */
export function network(): LayersModel {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  return tf.sequential({
    layers: [
      tf.layers.dense({ units: 8, inputShape: [4], activation: 'tanh', kernelInitializer }),
      tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotUniform({ seed: 4 }) }),
    ],
  });
}

/** Inputs and targets for it, the same each time. The caller disposes of them. */
export function examples(count: number): { xs: Tensor; ys: Tensor } {
  return tf.tidy(() => {
    const xs = tf.randomNormal([count, 4], 0, 1, 'float32', 7);
    return {
      xs,
      ys: tf.tidy(() =>
        xs
          .sum(1, true)
          .tanh()
          .add(tf.randomNormal([count, 1], 0, 0.1, 'float32', 8)),
      ),
    };
  });
}

/** All weights of a model, one after the other. */
export function weightsOf(model: LayersModel): Float32Array {
  return Float32Array.from(model.weights.flatMap((weight) => [...weight.read().dataSync()]));
}

/** The largest distance of two lists of values; NaN where one has a NaN. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => {
    const each = Math.abs(value - b[i]);
    return each > most || Number.isNaN(each) ? each : most;
  }, 0);
}

/** Disposes of tensors and models, in lists and objects; `tf.dispose` takes models too, its types do not. */
export function dispose(held: unknown): void {
  tf.dispose(held as never);
}
