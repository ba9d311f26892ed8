// What tests of threads see of them, in Node and in a browser: how much the calling thread does itself, and when helpers work.
import type { KernelExports } from '../../src/rmsprop/kernel/kernel.ts';
import type { RMSprop } from '../../src/rmsprop/rmsprop.ts';

/** What was made, and the floats that its kernels passed over in the calling thread so far. */
export interface Watched<T> {
  readonly made: T;
  floats(): number;
}

/** Calls `make` and watches the kernels that it makes: `before` is called before each of their calls over a range. */
export function watched<T>(make: () => T, before: () => void = () => {}): Watched<T> {
  const { Instance } = WebAssembly;
  let floats = 0;
  function Watching(...given: ConstructorParameters<typeof Instance>): { exports: KernelExports } {
    const exports = new Instance(...given).exports as unknown as KernelExports;
    const run: KernelExports['run'] = (passes, formula, offset, length, first) => {
      before();
      floats += length;
      exports.run(passes, formula, offset, length, first);
    };
    return { exports: { ...exports, run } };
  }
  try {
    Object.assign(WebAssembly, { Instance: Watching });
    return { made: make(), floats: () => floats };
  } finally {
    Object.assign(WebAssembly, { Instance });
  }
}

const deadlineMs = 20_000;

// a browser starts its workers only where the page lets it
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Waits until helpers take their share of the optimizer's steps, which it does not change; its longest tensor must be long enough. */
export async function helped({ made: optimizer, floats }: Watched<RMSprop>): Promise<void> {
  const before = optimizer.state();
  const start = performance.now();
  for (let alone = true; alone; await turn()) {
    optimizer.gradients.flat.fill(0);
    const atFirst = floats();
    optimizer.step();
    // every step passes at least twice over every tensor: the check, and the update or the sum
    alone = floats() - atFirst >= 2 * optimizer.layout.length;
    if (performance.now() - start > deadlineMs) throw new Error(`no helper did anything within ${deadlineMs} ms`);
  }
  optimizer.restore(before);
}
