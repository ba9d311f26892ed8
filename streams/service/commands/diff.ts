// `gradwire diff A B`: the first version and tensor at which two runs differ, and by how much.
import { Command } from 'commander';
import { type Diff, type Difference, diff } from '../../recordings/index.ts';
import { lines, print, readingProgress } from '../output.ts';

/** The command. */
export function diffCommand(): Command {
  return new Command('diff')
    .description(
      'say the first version and tensor at which two runs, or two safetensors files, differ; exit 0 where they are equal',
    )
    .argument('<A>', 'a recording (an .mcap file, or the directory of a trainer), or a safetensors file')
    .argument('<B>', 'another of the same kind')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire diff run other-run\n')
    .action(compare);
}

async function compare(a: string, b: string, { json }: { json?: boolean }): Promise<void> {
  const bar = readingProgress('comparing');
  const result = await diff(a, b, { progress: bar.update }).finally(() => bar.stop());
  const { equal, versions, first, parameters, notes } = result;
  if (json) print({ equal, versions, first, parameters, notes }, { json });
  else show(result);
  if (!equal) process.exitCode = 1;
}

function show({ of, equal, versions, first, parameters, notes, digest }: Diff): void {
  const [inA, inB] = versions.map((last) => (of === 'files' ? versionOf(last) : rangeOf(last)));
  if (equal) process.stdout.write(`equal: ${inA}, digest ${digest}\n`);
  if (first !== null) {
    process.stdout.write(`different: ${sentenceOf(first, of)}\n`);
    if (first.what !== 'length') process.stdout.write(lines(factsOf(first)));
    if (versions[0] !== null || versions[1] !== null) process.stdout.write(lines({ 'in A': inA, 'in B': inB }));
  }
  if (parameters !== null && parameters !== first && parameters.what !== first?.what)
    process.stdout.write(`\nthe folded ${sentenceOf(parameters, of)}\n${lines(factsOf(parameters))}`);
  if (first?.what === 'gradients' && parameters === null) process.stdout.write('\nthe folded parameters do not differ\n');
  if (notes.length > 0) process.stdout.write(`\n${notes.map((note) => lines({ note })).join('')}`);
}

function sentenceOf({ what, version, tensor, index, a, b }: Difference, of: Diff['of']): string {
  if (what === 'length') {
    const [shorter, longer] = Number(a) < Number(b) ? ['A', 'B'] : ['B', 'A'];
    return `${shorter} ends at version ${Math.min(Number(a), Number(b))}, ${longer} goes on to version ${Math.max(Number(a), Number(b))}; up to there they are equal`;
  }
  const at = of === 'files' || version === null || version === 0 ? '' : ` first at version ${version}`;
  const place = tensor === null ? '' : `, ${JSON.stringify(tensor)}${index === null ? '' : `[${index}]`}`;
  const noun = {
    layout: 'the layouts differ',
    optimizer: 'the optimizers differ',
    initial: 'initial weights differ',
    gradients: 'gradients differ',
    parameters: 'parameters differ',
  };
  return `${noun[what]}${at}${place}`;
}

function factsOf({ a, b, ulps, differing, maxDifference }: Difference): Record<string, unknown> {
  return {
    A: shown(a),
    B: shown(b),
    ulps,
    'values that differ': differing === 0 ? undefined : differing,
    'max |difference|': maxDifference,
  };
}

/** A value in full, -0 as such; what is not there as `none`. */
function shown(value: unknown): string {
  if (value === null) return 'none';
  return Object.is(value, -0) ? '-0' : typeof value === 'number' ? String(value) : JSON.stringify(value);
}

function rangeOf(last: number | null): string {
  return last === null || last < 2 ? versionOf(last) : `versions 1–${last}`;
}

function versionOf(version: number | null): string {
  return version === null ? 'no version said' : version === 0 ? 'no versions' : `version ${version}`;
}
