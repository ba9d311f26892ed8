// A trainer that is measured, in a process of its own as trainers have: how long a job's batches take until all are acknowledged.
import { trainer } from '../../streams/trainer.ts';
import { answerQuestions } from '../child.ts';
import { denseJob, flightsJob, type Job } from './batches.ts';
import { inDirectory } from './place.ts';
import { pushAll } from './push.ts';

/** So many batches of a job, so many in flight, with a journal or without one. */
export interface TrainOrder {
  /** The flights job's own batches, of which there are so many; or dense ones of so many bytes of values. */
  readonly job: { readonly flights: number } | { readonly byteLength: number };
  readonly count: number;
  readonly inFlight: number;
  readonly journal: boolean;
}

// of dense ones
const batchesInMemory = 64;

let job: Job | undefined;

answerQuestions(async (order: TrainOrder) => {
  job ??= await jobOf(order);
  return { seconds: order.journal ? await inDirectory((directory) => train(order, directory)) : await train(order) };
});

async function jobOf({ job }: TrainOrder): Promise<Job> {
  return 'flights' in job ? await flightsJob(job.flights) : denseJob(job.byteLength, batchesInMemory);
}

/** Seconds. */
async function train({ count, inFlight }: TrainOrder, directory?: string): Promise<number> {
  const { model, optimizer, batches } = job as Job;
  const t = await trainer({ model, optimizer, directory });
  try {
    return await pushAll(t, batches, count, inFlight);
  } finally {
    await t.close();
  }
}
