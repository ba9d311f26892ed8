// Threads as whatever the engine has starts them: one helper for each thread beside the calling one.

import { GradwireError } from '../../src/errors.ts';
import type { ArenaMemory } from '../../src/rmsprop/arena.ts';
import type { Threads } from '../../src/rmsprop/threads.ts';

/** Threads that somebody started and will end. */
export interface StartedThreads extends Threads {
  /** Ends all helpers. Optimizers that had them go on with the calling thread alone. */
  close(): void;
}

/** Starts one helper on a memory; the function it returns ends it. */
export type StartHelper = (memory: ArenaMemory) => () => void;

const most = 256;

/** `count` threads, by what starts a helper. Throws `E_CONFIG`. */
export function threadsOf(count: number, start: StartHelper): StartedThreads {
  if (!Number.isSafeInteger(count) || count < 1 || count > most)
    throw new GradwireError('E_CONFIG', `the number of threads must be an integer from 1 to ${most}; got ${String(count)}`);
  const running = new Set<() => void>();
  return {
    count,
    attach(memory) {
      const ends = Array.from({ length: count - 1 }, () => start(memory));
      const detach = (): void => {
        for (const end of ends.splice(0)) end();
        running.delete(detach);
      };
      running.add(detach);
      return detach;
    },
    close() {
      for (const detach of [...running]) detach();
    },
  };
}
