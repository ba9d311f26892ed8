// `gradwire sweep RECORDING`: a grid of hyper-parameters over the same gradients, as a table and a plot.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { type Sweep, type SweptCombination, sweep } from '../../recordings/index.ts';
import { nameOf } from '../../recordings/instruments/sweep/grid.ts';
import { addGrid, gridIn, integer } from '../options.ts';
import { print, readingProgress, table, writeWhole } from '../output.ts';
import { plot } from '../plot/plot.ts';
import { stopped } from '../stop.ts';

interface SweepCommandOptions {
  evaluate?: string;
  workers?: number;
  until?: number;
  svg: string | false;
  json?: boolean;
}

/** The command. */
export function sweepCommand(): Command {
  const command = new Command('sweep')
    .description('fold the same gradients under every combination of hyper-parameters, and say what each comes to')
    .argument('<recording>', 'a recording: an .mcap file, or the directory of a trainer');
  return addGrid(command)
    .option(
      '--evaluate <module>',
      'an ES module whose default export takes (weights, info) and gives a number; it may export better = "higher"',
    )
    .option('--workers <count>', 'threads (default: as many as the machine runs at once)', integer(1, 256))
    .option('--until <version>', 'stop at this version', integer(0))
    .option('--svg <file>', 'where the plot goes', 'sweep.svg')
    .option('--no-svg', 'no plot')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nGradients recorded on other weights are not a retraining.\n\nExample:\n  gradwire sweep run --lr 0.001,0.01 --rho 0.9,0.99 --evaluate loss.js\n',
    )
    .action(sweepRecording);
}

async function sweepRecording(path: string, options: SweepCommandOptions): Promise<void> {
  const { evaluate, workers, until, svg, json } = options;
  const stop = new AbortController();
  void stopped().then(() => stop.abort());
  const bar = readingProgress('sweeping');
  const startMs = performance.now();
  const asked = { grid: gridIn(options), evaluate, workers, until };
  const result = await sweep(path, { ...asked, progress: bar.update, signal: stop.signal }).finally(() => bar.stop());
  const seconds = (performance.now() - startMs) / 1000;
  const plotted = svg === false ? undefined : resolve(svg);
  if (plotted !== undefined) await writeWhole(plotted, Buffer.from(plotOf(result)));
  if (json) print({ ...result, svg: plotted, seconds }, { json });
  else show(result, { plotted, seconds });
}

function show(
  { run, versions, digest, movement, better, combinations, caveat }: Sweep,
  { plotted, seconds }: { plotted: string | undefined; seconds: number },
): void {
  const order = better === null ? 'the nearest to the recorded run first' : `the best evaluation first (${better} is better)`;
  print({
    run,
    versions: versions === 0 ? 'none' : `1–${versions}`,
    combinations: `${combinations.length}, ${order}`,
    'recorded run': `movement ${movement.toPrecision(6)}, digest ${digest}`,
    caveat,
    seconds: Math.round(seconds * 1000) / 1000,
    plot: plotted,
  });
  const names = Object.keys(combinations[0].optimizer);
  const rows = combinations.map(({ optimizer, movement: moved, distance, relative, evaluation }) => [
    ...names.map((name) => String(optimizer[name])),
    moved,
    distance,
    Number.isFinite(relative) ? `${(relative * 100).toPrecision(3)} %` : '',
    ...(evaluation === undefined ? [] : [evaluation]),
  ]);
  const headings = [...names, 'movement', 'distance', 'relative', ...(better === null ? [] : ['evaluation'])];
  process.stdout.write(`\n${table(headings, rows)}`);
}

function plotOf({ combinations, better, caveat }: Sweep): string {
  const what = better === null ? 'movement since the start' : `evaluation, ${better} is better`;
  const series = combinations.map(({ optimizer, points }: SweptCombination) => ({
    name: nameOf(optimizer),
    points: points.map(({ version, movement, evaluation }) => [version, evaluation ?? movement] as const),
  }));
  return plot({ title: `Sweep: ${what}`, x: 'version', y: better === null ? 'L2 norm' : 'evaluation', series, note: caveat });
}
