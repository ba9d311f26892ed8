// TensorFlow.js' RMSprop on its cpu and its wasm backend.
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { getThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { gradientOf } from './gradients.ts';
import { plain } from './gradwire.ts';
import { type Contender, type Running, Skipped, slowestMs, timed } from './rounds.ts';

/** TensorFlow.js' contenders, its version, and what its wasm backend makes of this machine. */
export interface TensorFlow {
  readonly version: string;
  readonly wasm: string;
  readonly contenders: readonly Contender[];
}

/** Loads both backends. */
export async function startTensorFlow(): Promise<TensorFlow> {
  tf.enableProdMode();
  setWasmPaths(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep);
  await tf.setBackend('wasm');
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const wasm = `${simd ? 'SIMD' : 'no SIMD'}, ${getThreadsCount()} thread`;
  return { version: tf.version_core, wasm, contenders: [contender('cpu'), contender('wasm')] };
}

function contender(backend: 'cpu' | 'wasm'): Contender {
  let nsPerParameter = 0;
  return {
    what: `TF.js ${backend}, 1 thread`,
    async open(size) {
      const expectedMs = (nsPerParameter * size) / 1e6;
      if (expectedMs > slowestMs) throw new Skipped(`a step would take about ${(expectedMs / 1000).toFixed(1)} s`);
      await tf.setBackend(backend);
      const { time, close } = stepping(`${backend}/${size}`, size);
      return {
        async time(steps) {
          await tf.setBackend(backend);
          const taken = await time(steps);
          nsPerParameter = taken / steps / size;
          return taken;
        },
        close,
      };
    },
  };
}

function stepping(name: string, size: number): Running {
  const w = tf.variable(tf.zeros([size]), true, name);
  const gradient = tf.tensor1d(gradientOf(size));
  const optimizer = tf.train.rmsprop(plain.lr, plain.rho, 0, plain.epsilon);
  return timed(
    () => optimizer.applyGradients({ [name]: gradient }),
    () => {
      optimizer.dispose();
      gradient.dispose();
      w.dispose();
    },
  );
}
