// A steady pace.
import { setTimeout as sleep } from 'node:timers/promises';

/** Does something so many times, evenly; what is late is done at once. */
export async function pace(count: number, perSecond: number, act: () => void): Promise<void> {
  const begun = performance.now();
  for (let i = 0; i < count; i++) {
    const early = begun + (i * 1000) / perSecond - performance.now();
    if (early >= 1) await sleep(early);
    else await new Promise(setImmediate);
    act();
  }
}
