// Loads TensorFlow.js for a program: the native tfjs-node where it is installed and works, otherwise tfjs with its wasm backend.
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';

/** TensorFlow.js as its types have it. */
export type Tf = typeof import('@tensorflow/tfjs');

/** What was loaded. */
export interface LoadedTensorFlow {
  readonly tf: Tf;
  /** `tensorflow` is tfjs-node's. */
  readonly backend: 'tensorflow' | 'wasm';
  /** One line that says which, and why not the other. */
  readonly line: string;
}

/** From where packages are looked for, and who is told. */
export interface LoadOptions {
  /** A file URL or path; packages are those that it would find. This file unless told. */
  readonly from?: string | URL;
  /** Told the line; nobody unless told. */
  readonly say?: (line: string) => void;
}

/** Loads it. What is wrong inside a tfjs-node that loads is thrown, not hidden. */
export async function loadTensorFlow({ from = import.meta.url, say }: LoadOptions = {}): Promise<LoadedTensorFlow> {
  const require = createRequire(from);
  const native = tryNode(require);
  const loaded = typeof native === 'string' ? await loadWasm(require, native) : native;
  say?.(loaded.line);
  return loaded;
}

/** tfjs-node, or why it is not there. */
function tryNode(require: NodeJS.Require): LoadedTensorFlow | string {
  const { argv } = process;
  // tfjs-node finds its binary with node-pre-gyp, which would take the program's own --directory for an option of its own
  process.argv = argv.slice(0, 2);
  try {
    const tf = require('@tensorflow/tfjs-node') as Tf;
    return { tf, backend: 'tensorflow', line: `TensorFlow.js ${tf.version_core}, native (tfjs-node)` };
  } catch (error) {
    const why = absence(error);
    if (why === undefined) throw error;
    return why;
  } finally {
    process.argv = argv;
  }
}

/** Why tfjs-node is not there, or undefined for any other error. */
function absence(error: unknown): string | undefined {
  const { code, message = '' } = error as NodeJS.ErrnoException;
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND')
    return /'@tensorflow\/tfjs-node'/.test(message) ? 'tfjs-node is not installed' : 'tfjs-node is not installed whole';
  if (code === 'ERR_DLOPEN_FAILED') return 'tfjs-node does not load on this machine';
  // its own words where the download of its binary failed
  return /native addon module|tfjs_binding/.test(message) ? 'tfjs-node lacks its binary' : undefined;
}

async function loadWasm(require: NodeJS.Require, whyNot: string): Promise<LoadedTensorFlow> {
  const tf = require('@tensorflow/tfjs') as Tf;
  const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend of TensorFlow.js does not start');
  return { tf, backend: 'wasm', line: `TensorFlow.js ${tf.version_core}, wasm backend (${whyNot})` };
}
