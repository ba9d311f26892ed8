// TensorFlow.js in a page: the global that its scripts leave, on the wasm backend, or on the cpu where that does not start.

/** TensorFlow.js as its types have it. */
export type Tf = typeof import('@tensorflow/tfjs');

// what tf.min.js and tf-backend-wasm.min.js leave, in this order
declare const tf: Tf & { readonly wasm: typeof import('@tensorflow/tfjs-backend-wasm') };

/** TensorFlow.js, ready. `folder` is the address of the backend's WebAssembly. */
export async function startTensorFlow(folder: string): Promise<Tf> {
  tf.wasm.setWasmPaths(folder);
  if (!(await tf.setBackend('wasm').catch(() => false))) await tf.setBackend('cpu');
  await tf.ready();
  return tf;
}
