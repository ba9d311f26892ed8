// Interleaved measuring: every round runs every contender once, so that a noisy minute is shared by all.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Scale } from '../report.ts';

/** A contender at work on one size. */
export interface Running {
  /** Runs `steps` steps and says how many nanoseconds they took. */
  time(steps: number): number | Promise<number>;
  /** Frees what the size took. */
  close?(): void | Promise<void>;
}

/** One way to take a step of `size` parameters. `open` throws {@link Skipped} where this machine or this code lacks something. */
export interface Contender {
  readonly what: string;
  open(size: number): Running | Promise<Running>;
}

/** What one contender took: nanoseconds per step, a figure for each of its rounds. Empty where it was skipped. */
export interface Timing {
  readonly what: string;
  readonly rounds: readonly number[];
  readonly skipped?: string;
}

/** A contender that cannot run here; the message is the reason and stands in its row. */
export class Skipped extends Error {}

/** How much time a measurement takes. Times are of one contender at one size. */
interface Effort {
  readonly rounds: number;
  readonly warmMs: number;
  /** A round of a contender takes as many steps as fit in here, one at least. */
  readonly sliceMs: number;
  /** Who used this up leaves, after three rounds at the earliest. */
  readonly shareMs: number;
  /** Whose step takes longer does not take part. */
  readonly slowestMs: number;
}

interface Lane {
  readonly what: string;
  readonly running: Running;
  readonly steps: number;
  readonly rounds: number[];
  spent: number;
}

/** The longest step that is measured. */
export const slowestMs = 2000;

function effortOf({ smoke }: Scale): Effort {
  if (smoke) return { rounds: 3, warmMs: 2, sliceMs: 1, shareMs: 10, slowestMs: 200 };
  return { rounds: 25, warmMs: 50, sliceMs: 20, shareMs: 1000, slowestMs };
}

/** Warms up all contenders, then runs rounds over them, each round beginning with another one, every other round backwards. */
export async function measure(contenders: readonly Contender[], size: number, scale: Scale): Promise<Timing[]> {
  const effort = effortOf(scale);
  const lanes: Lane[] = [];
  const skipped = new Map<string, string>();
  try {
    for (const contender of contenders) {
      const lane = await enter(contender, size, effort);
      if (typeof lane === 'string') skipped.set(contender.what, lane);
      else lanes.push(lane);
    }
    for (let round = 0; round < effort.rounds; round++) {
      for (const lane of turned(lanes, round)) await run(lane, effort);
    }
  } finally {
    for (const { running } of lanes) await running.close?.();
    collectGarbage();
  }
  return contenders.map(({ what }) => ({
    what,
    rounds: lanes.find((lane) => lane.what === what)?.rounds ?? [],
    skipped: skipped.get(what),
  }));
}

// so that nobody always follows the same contender, whose threads may still spin
function turned(lanes: readonly Lane[], round: number): Lane[] {
  const start = lanes.length === 0 ? 0 : round % lanes.length;
  const order = [...lanes.slice(start), ...lanes.slice(0, start)];
  return round % 2 === 0 ? order : order.reverse();
}

/** A full collection, so that one size's memory is gone before the next takes its own. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

// the first step may grow heaps and compile: it does not count
async function enter({ what, open }: Contender, size: number, effort: Effort): Promise<Lane | string> {
  let running: Running | undefined;
  try {
    running = await open(size);
    let spent = await running.time(1);
    let step = Number.POSITIVE_INFINITY;
    do {
      const steps = Number.isFinite(step) ? Math.max(1, Math.round((effort.warmMs * 2e5) / step)) : 1;
      const taken = await running.time(steps);
      step = taken / steps;
      spent += taken;
    } while (spent < effort.warmMs * 1e6);
    if (step > effort.slowestMs * 1e6) throw new Skipped(`a step takes ${(step / 1e9).toFixed(1)} s`);
    return { what, running, steps: Math.max(1, Math.round((effort.sliceMs * 1e6) / step)), rounds: [], spent: 0 };
  } catch (error) {
    await running?.close?.();
    if (error instanceof Skipped) return error.message;
    throw error;
  }
}

async function run(lane: Lane, { shareMs }: Effort): Promise<void> {
  if (lane.rounds.length >= 3 && lane.spent > shareMs * 1e6) return;
  const taken = await lane.running.time(lane.steps);
  lane.spent += taken;
  lane.rounds.push(taken / lane.steps);
}

/** A synchronous contender: `step` is called as often as asked for. */
export function timed(step: () => unknown, close?: () => void): Running {
  return {
    time(steps) {
      const start = performance.now();
      for (let i = 0; i < steps; i++) step();
      return (performance.now() - start) * 1e6;
    },
    close,
  };
}
