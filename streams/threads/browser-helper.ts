// One helper: a browser's worker that takes its share until it is ended.
import type { ArenaMemory } from '../../src/rmsprop/kernel/arena.ts';
import { instantiate } from '../../src/rmsprop/kernel/kernel.ts';
import { help } from '../../src/rmsprop/kernel/threads.ts';

// a worker's own global, of which only this is used
declare function addEventListener(type: 'message', listener: (event: { data: unknown }) => void, options: { once: true }): void;

addEventListener('message', ({ data }) => help(data as ArenaMemory, instantiate(data as ArenaMemory)), {
  once: true,
});
