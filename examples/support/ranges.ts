// A worker's way to its work: ranges of examples, asked of the main process one after the other.
import { once } from 'node:events';
import { tell } from './child.ts';
import type { Range } from './cursor.ts';

/** Asks for a {@link RangeAnswer}. */
export interface RangeQuestion {
  readonly type: 'next';
}

/** The next examples for a worker; none at the end of the run. */
export interface RangeAnswer {
  readonly range?: Range;
}

/** The ranges that the parent hands out, the next one asked for while this one is learned. */
export async function* ranges(): AsyncGenerator<Range> {
  for (let coming = nextRange(); ; ) {
    const range = await coming;
    if (range === undefined) return;
    coming = nextRange();
    yield range;
  }
}

async function nextRange(): Promise<Range | undefined> {
  tell<RangeQuestion>({ type: 'next' });
  const [{ range }]: RangeAnswer[] = await once(process, 'message');
  return range;
}
