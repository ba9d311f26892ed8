// The combinations of a sweep over its threads: each thread takes the next one that nobody has.
import { GradwireError } from '../../../../src/errors.ts';
import type { JointProgress } from '../forking/joint-progress.ts';
import type { Folded, Job } from './fold.ts';
import { type Combination, namedError } from './grid.ts';
import type { Thread } from './thread.ts';

/** Folds all combinations, in their order in the result. Rejects with the first that fails, by name. */
export async function foldAll(
  threads: readonly Pick<Thread, 'fold'>[],
  combinations: readonly Combination[],
  { job, progress }: { readonly job: Omit<Job, 'options'>; readonly progress: JointProgress },
): Promise<Folded[]> {
  const results = new Array<Folded>(combinations.length);
  const queue = combinations.entries();
  const lane = async (thread: Pick<Thread, 'fold'>): Promise<void> => {
    for (const [i, { optimizer, options }] of queue) {
      try {
        results[i] = await thread.fold({ ...job, options }, progress.of(i + 1));
      } catch (cause) {
        throw cause instanceof GradwireError ? namedError(optimizer, cause) : cause;
      }
    }
  };
  await Promise.all(threads.map(lane));
  return results;
}
