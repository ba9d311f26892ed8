// One helper: a worker thread that takes its share until it is ended.

import { workerData } from 'node:worker_threads';
import type { ArenaMemory } from '../../src/rmsprop/arena.ts';
import { instantiate } from '../../src/rmsprop/kernel.ts';
import { help } from '../../src/rmsprop/threads.ts';

const memory = workerData as ArenaMemory;
help(memory, instantiate(memory));
