// A trainer in a process of its own that steps as often as it is told, and says what memory it takes.
import { layout } from '../../src/layout.ts';
import type { ServeOptions } from '../../streams/sockets/index.ts';
import { trainer } from '../../streams/trainer.ts';

/** Its address, and bytes that are in use. */
export interface Metered {
  readonly url: string;
  readonly rss: number;
  readonly external: number;
  readonly arrayBuffers: number;
}

// garbage is not what is measured: it is collected after so many steps, and answers come after multiples of them
const stepsPerCollection = 50;

const [limits, length] = JSON.parse(process.argv[2]) as [ServeOptions, number];
const t = await trainer({ model: layout({ w: [length] }), listen: { ...limits, port: 0 } });
const gradients = { w: new Float32Array(length).fill(0.5) };

async function collect(): Promise<void> {
  // what is freed in one turn may hold what is freed in the next
  for (let i = 0; i < 2; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    (globalThis as { gc?: () => void }).gc?.();
  }
}

function say(): void {
  const { rss, external, arrayBuffers } = process.memoryUsage();
  process.send?.({ url: t.url, rss, external, arrayBuffers } satisfies Metered);
}

process.once('disconnect', () => process.exit(0));
process.on('message', async (steps: number) => {
  for (let i = 0; i < steps; i++) {
    await t.push(gradients);
    if (t.version % stepsPerCollection === 0) await collect();
  }
  say();
});
say();
