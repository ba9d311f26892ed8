// A module for the harness's own test: does in the page what it is asked to.

/** What the page may be asked for. */
export type Ask = 'shared memory' | 'throw' | 'throw later' | 'reject later' | 'hang' | 'reach itself' | 'reach a name';

/** Does it. */
export function run(ask: Ask): unknown {
  if (ask === 'shared memory') return { isolated: Reflect.get(globalThis, 'crossOriginIsolated'), shared: sharedByteLength() };
  if (ask === 'throw') throw new RangeError('thrown in the page');
  if (ask === 'reach itself') return reach('127.0.0.1');
  if (ask === 'reach a name') return reach('page.localhost');
  if (ask === 'throw later') {
    setTimeout(() => {
      throw new RangeError('thrown later in the page');
    });
  }
  if (ask === 'reject later') void Promise.reject(new RangeError('rejected in the page'));
  return new Promise(() => {});
}

function sharedByteLength(): number {
  const descriptor = { initial: 1, maximum: 1, shared: true };
  const buffer: unknown = new WebAssembly.Memory(descriptor).buffer;
  return buffer instanceof SharedArrayBuffer ? buffer.byteLength : 0;
}

/** Asks the page's own server for something, under that name. The server tells what it was asked for, whatever the page sees. */
async function reach(host: string): Promise<never> {
  const { port } = new URL(import.meta.url);
  await fetch(`http://${host}:${port}/reached`);
  throw new Error('fetched');
}
