// Threads as whatever the engine has starts them: one helper for each thread beside the calling one.

import { GradwireError } from '../../src/errors.ts';
import type { ArenaMemory } from '../../src/rmsprop/kernel/arena.ts';
import { dismiss, type Threads } from '../../src/rmsprop/kernel/threads.ts';

/** Threads that somebody started and will end. */
export interface StartedThreads extends Threads {
  /** Ends all helpers. Optimizers that had them go on with the calling thread alone; new ones do not get any (`E_CONFIG`). */
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
  let closed = false;
  return {
    count,
    attach(memory) {
      if (closed) throw new GradwireError('E_CONFIG', 'these threads were closed; start others, or leave them out');
      const ends: (() => void)[] = [];
      const detach = (): void => {
        dismiss(memory);
        for (const end of ends.splice(0)) end();
        running.delete(detach);
      };
      try {
        while (ends.length < count - 1) ends.push(start(memory));
      } catch (error) {
        detach();
        throw error;
      }
      running.add(detach);
      return detach;
    },
    close() {
      closed = true;
      for (const detach of [...running]) detach();
    },
  };
}
