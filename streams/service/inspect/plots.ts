// Norms and losses over time as lines of block characters, for a terminal of 80 columns.

import { quote } from '../../../src/errors.ts';
import { isPrintable } from '../../../src/layout.ts';
import type { Norms } from '../../recordings/index.ts';
import type { ProducerFacts } from './recording.ts';

/** What is plotted. */
interface Plotted extends Pick<Norms, 'firstVersion' | 'versionsPerBucket' | 'losses'> {
  readonly producers: readonly ProducerFacts[];
}

const blocks = '▁▂▃▄▅▆▇█';
const nameWidth = 12;
const mostLines = 20;

type Values = readonly (number | null)[];

/** A line for each producer's norms, on a log scale of its own, and one for the losses where there are any. */
export function plots({ firstVersion, versionsPerBucket, producers, losses }: Plotted): string {
  const drawn = producers.filter(({ norms }) => norms !== undefined).slice(0, mostLines);
  const width = Math.max(0, ...drawn.map(({ norms = [] }) => norms.length));
  const scale = versionsPerBucket === 1 ? 'a version' : `${versionsPerBucket} versions`;
  const lines = [`gradient norms from version ${firstVersion} on, ${scale} a column, log scale`];
  for (const { producer, producerEpoch, norms = [] } of drawn) {
    const several = producers.some((each) => each.producer === producer && each.producerEpoch !== producerEpoch);
    lines.push(line(several ? `${producer} ${producerEpoch}` : producer, norms, width));
  }
  if (producers.length > drawn.length) lines.push(`and ${producers.length - drawn.length} more producers: see --json`);
  if (losses.some((loss) => loss !== null)) lines.push(line('loss', losses, width));
  return lines.map((text) => `${text}\n`).join('');
}

function line(name: string, values: Values, width: number): string {
  const shown = isPrintable(name) ? name : quote(name);
  const label = shown.length > nameWidth ? `${shown.slice(0, nameWidth - 1)}…` : shown.padEnd(nameWidth);
  const known = values.filter((value) => value !== null);
  return `${label} ${sparkline(values).padEnd(width)} ${short(Math.min(...known))}–${short(Math.max(...known))}`;
}

/** Each value as a block between the least and the most, by their logarithms where all are positive; a space where there is none. */
function sparkline(values: Values): string {
  const known = values.filter((value) => value !== null);
  const positive = known.filter((value) => value > 0);
  // a loss may be negative, which has no logarithm
  const scaled = known.some((value) => value < 0)
    ? (value: number) => value
    : (value: number) => Math.log(Math.max(value, least));
  const least = Math.min(...positive);
  const [low, high] = [Math.min(...known.map(scaled)), Math.max(...known.map(scaled))];
  const height = (value: number) => (high > low ? (scaled(value) - low) / (high - low) : 0);
  return values.map((value) => (value === null ? ' ' : blocks[Math.round(height(value) * (blocks.length - 1))])).join('');
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
