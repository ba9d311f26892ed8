// What has happened to a replica so far, counted.
import type { FaultKind } from './faults.ts';

/** What has happened to the connection so far. */
export interface FollowerCounts {
  /** Welcomes. */
  connections: number;
  /** Connections that went on from this replica's version. */
  resumed: number;
  /** Connections that wanted to, and were told to start over. */
  reset: number;
  /** Frames and messages that did not fit, after each of which the replica came back by itself. */
  troubles: number;
  /** What was found wrong, by kind, after each of which it came back by itself or fetched everything. */
  faults: Record<FaultKind, number>;
}

/** Nothing yet. */
export function noCounts(): FollowerCounts {
  const faults = { check: 0, digest: 0, gap: 0, fork: 0, epoch: 0, frame: 0 };
  return { connections: 0, resumed: 0, reset: 0, troubles: 0, faults };
}
