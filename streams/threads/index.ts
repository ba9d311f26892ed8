// Threads for large models, in Node: `new RMSprop(model, { threads: startThreads(2) })`.
export { startThreads } from './node.ts';
export type { StartedThreads } from './start.ts';
