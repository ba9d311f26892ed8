// `gradwire fork RECORDING`: the same gradients under other hyper-parameters, or without some of them.
import { Command } from 'commander';
import { type Fork, type ForkedOptions, fork } from '../../recordings/index.ts';
import { addHyperparameters, type HyperparameterOptions, hyperparametersIn, integer, settings } from '../options.ts';
import { print, readingProgress, table, writeWhole } from '../output.ts';
import { plot } from '../plot/plot.ts';

interface ForkCommandOptions extends HyperparameterOptions {
  optimizer?: ForkedOptions;
  withoutProducer: string[];
  withoutVersions: string[];
  until?: number;
  out?: string;
  svg?: string;
  json?: boolean;
}

const each = (text: string, before: readonly string[]): string[] => [...before, text];

/** The command. */
export function forkCommand(): Command {
  const command = new Command('fork')
    .description('fold the same gradients under other hyper-parameters, or without some, and say how far apart the runs come')
    .argument('<recording>', 'a recording: an .mcap file, or the directory of a trainer');
  return addHyperparameters(command, 'default: as recorded')
    .option('--optimizer <json>', 'further options over the recorded ones, such as \'{"momentum": 0.9}\'', settings)
    .option('--without-producer <name>', "leave out this producer's batches; may be given again", each, [])
    .option('--without-versions <a..b | n>', 'leave out the batches of these versions; may be given again', each, [])
    .option('--until <version>', 'stop at this version of the recorded run', integer(0))
    .option('--out <file>', "write the fork's state at the end to this safetensors file, as a run of its own")
    .option('--svg <file>', 'write a plot of the distance to this file')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nA batch that is left out makes no version in the fork: its count, and so decay, goes on by folded batches only.\n' +
        'Gradients recorded on other weights are not a retraining.\n\nExample:\n  gradwire fork run --lr 0.02 --without-producer w2 --svg fork.svg\n',
    )
    .action(forkRecording);
}

async function forkRecording(path: string, options: ForkCommandOptions): Promise<void> {
  const { optimizer, withoutProducer, withoutVersions, until, out, svg, json } = options;
  const bar = readingProgress('folding twice');
  let state: Uint8Array | undefined;
  const changed = { ...optimizer, ...hyperparametersIn(options) };
  const settled = { optimizer: changed, withoutProducers: withoutProducer, withoutVersions, until };
  const snapshot = out === undefined ? undefined : (frame: Uint8Array): void => void (state = frame);
  const result = await fork(path, { ...settled, progress: bar.update, snapshot }).finally(() => bar.stop());
  if (out !== undefined && state !== undefined) await writeWhole(out, state);
  if (svg !== undefined) await writeWhole(svg, Buffer.from(plotOf(result)));
  for (const name of result.absentProducers)
    process.stderr.write(`gradwire: no batch is of the producer ${JSON.stringify(name)}; nothing was left out for it\n`);
  const { run, versions, batches, left, points, digest, forkDigest, caveat } = result;
  if (json) print({ run, versions, batches, left, changed: result.changed, points, digest, forkDigest, caveat, out }, { json });
  else show(result, { out, svg });
}

function show(result: Fork, { out, svg }: Pick<ForkCommandOptions, 'out' | 'svg'>): void {
  const { run, batches, left, changed, points, digest, forkDigest, caveat } = result;
  const last = points.at(-1);
  const options = Object.entries(changed).map(([name, [was, is]]) => `${name} ${plain(was)} → ${plain(is)}`);
  print({
    run,
    changed: options.join(', ') || 'no hyper-parameter',
    'left out': `${left} of ${batches} batches`,
    versions: `${batches} recorded, ${batches - left} in the fork, which counts folded batches only`,
    distance:
      last === undefined
        ? 'none: there are no batches'
        : `${precise(last.distance)}, ${percent(last.relative)} of the recorded run's movement`,
    digest,
    'fork digest': forkDigest,
    caveat,
    state: out,
    plot: svg,
  });
  if (last === undefined) return;
  const most = Math.max(...points.map(({ distance }) => distance));
  const bars = new Map(points.map(({ version, distance }) => [version, bar(distance / most)]));
  const names = Object.keys(last.tensors);
  if (names.length > 1) {
    const rows = points.map(({ version, distance, relative }) => [version, distance, percent(relative), bars.get(version) ?? '']);
    process.stdout.write(`\n${table(['version', 'distance', 'relative', ''], rows)}`);
  }
  showTensors(result, names.length > 1 ? undefined : bars);
}

// beyond so many tensors only the last version is printed; --json has all
const mostTensors = 8;

function showTensors({ points }: Fork, bars: ReadonlyMap<number, string> | undefined): void {
  const names = Object.keys(points.at(-1)?.tensors ?? {});
  const shown = names.length > mostTensors ? points.slice(-1) : points;
  const rows = names.flatMap((name) =>
    shown.map(({ version, tensors: { [name]: tensor } }) => {
      const drawn = bars === undefined ? [] : [bars.get(version) ?? ''];
      return [version, name, tensor.distance, percent(tensor.relative), tensor.max, ...drawn];
    }),
  );
  const headings = ['version', 'tensor', 'distance', 'relative', 'max |difference|', ...(bars === undefined ? [] : [''])];
  process.stdout.write(`\n${table(headings, rows)}`);
}

// lines that are worth telling apart
const mostLines = 8;

function plotOf({ points, caveat }: Fork): string {
  const last = points.at(-1)?.tensors ?? {};
  const names = Object.keys(last).sort((a, b) => last[b].distance - last[a].distance);
  const all = { name: 'all tensors', points: points.map(({ version, distance }) => [version, distance] as const) };
  const tensors = names.slice(0, mostLines - 1).map((name) => ({
    name,
    points: points.map(({ version, tensors: { [name]: tensor } }) => [version, tensor.distance] as const),
  }));
  const series = tensors.length > 1 ? [all, ...tensors] : [all];
  return plot({ title: 'Distance of the fork from the recorded run', x: 'version', y: 'L2 norm', series, note: caveat });
}

/** A bar of up to 24 cells; a part of a cell is worth showing. */
function bar(share: number): string {
  if (!(share > 0)) return '';
  const eighths = Math.max(1, Math.round(share * 24 * 8));
  return '█'.repeat(Math.floor(eighths / 8)) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(share * 100).toPrecision(3)} %` : 'the recorded run never moved';
}

function precise(value: number): string {
  return value.toPrecision(6);
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
