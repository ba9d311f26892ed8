// The first lines of a run: who has what, how rounds are made, and where others join.
import { decimal, whole } from '../support/text.ts';

interface Given {
  readonly url: string;
  readonly labels: Uint8Array;
  readonly shards: readonly Uint32Array[];
  /** Rounds to make, and batches in a full one. */
  readonly count: number;
  readonly round: number;
  readonly deadline: number;
  readonly skew: number;
}

/** The lines, in order. Where the shards are skewed, each of them says what it mostly has. */
export function introduction({ url, labels, shards, count, round, deadline, skew }: Given): string[] {
  const sizes = [...new Set(shards.map(({ length }) => whole(length)))].join(' or ');
  const missing = round - shards.length;
  const joining = missing > 0 ? `a round waits for ${missing} more, which join at` : 'others may join at';
  return [
    `${shards.length} workers here, each with ${sizes} digits of its own; ${joining} ${url.replace(/^http/, 'ws')}`,
    `${whole(count)} rounds, each the mean of ${round} batches, or of those that are there after ${decimal(deadline / 1000, 1)} s`,
    ...(skew > 0 ? shards.map((shard, i) => `worker ${i + 1}   ${mostly(labels, shard)}`) : []),
  ];
}

const named = 3;

/** What a shard has most of, as in `48 % are 0, 31 % are 1, 3 % are 5`. */
function mostly(labels: Uint8Array, shard: Uint32Array): string {
  const counts = new Map<number, number>();
  for (const at of shard) counts.set(labels[at], (counts.get(labels[at]) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, named)
    .map(([label, count]) => `${Math.round((100 * count) / shard.length)} % are ${label}`)
    .join(', ');
}
