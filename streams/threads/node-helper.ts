// One helper: a worker thread that takes its share until it is ended.

import { workerData } from 'node:worker_threads';
import type { ArenaMemory } from '../../src/rmsprop/kernel/arena.ts';
import { instantiate } from '../../src/rmsprop/kernel/kernel.ts';
import { help } from '../../src/rmsprop/kernel/threads.ts';

const memory = workerData as ArenaMemory;
help(memory, instantiate(memory));
