// A thread of a sweep: loads the evaluation, then folds what it is asked, one combination after the other.
import { parentPort, workerData } from 'node:worker_threads';
import { GradwireError } from '../../../../src/errors.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { type Evaluation, loadEvaluation } from './evaluation.ts';
import { foldJob, type Job } from './fold.ts';
import type { FromThread, ThreadData } from './thread.ts';

const { path, module } = workerData as ThreadData;
const say = (message: FromThread): void => parentPort?.postMessage(message);

/** Progress that is worth a message: a hundredth of the recording at least. */
function sparing(): (progress: ReadProgress) => void {
  let told = 0;
  return (progress) => {
    if (progress.bytes - told < progress.totalBytes / 100) return;
    told = progress.bytes;
    say({ kind: 'progress', progress });
  };
}

async function fold(job: Job, evaluation: Evaluation | undefined): Promise<void> {
  try {
    say({ kind: 'folded', folded: await foldJob(path, job, { evaluation, progress: sparing() }) });
  } catch (error) {
    fail(error);
  }
}

// what is no GradwireError is a mistake of ours and ends the thread with its stack
function fail(error: unknown): void {
  if (!(error instanceof GradwireError)) throw error;
  say({ kind: 'failed', code: error.code, text: error.text });
}

try {
  const evaluation = module === undefined ? undefined : await loadEvaluation(module);
  parentPort?.on('message', (job: Job) => fold(job, evaluation));
  say({ kind: 'ready', better: evaluation?.better ?? 'lower' });
} catch (error) {
  fail(error);
}
