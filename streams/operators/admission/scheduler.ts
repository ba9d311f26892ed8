// A scheduler whose clock never goes back: no decision of an admission is made by the time of day.
import { asyncScheduler, type SchedulerLike } from 'rxjs';

/** RxJS' asynchronous scheduler on the engine's monotonic clock, in milliseconds. */
export const monotonicScheduler: SchedulerLike = {
  now: () => performance.now(),
  schedule: asyncScheduler.schedule.bind(asyncScheduler),
};
