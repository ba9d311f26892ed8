// `gradwire export PATH`: parameters, state or gradients for NumPy, or as plain safetensors.
import { Command, Option } from 'commander';
import { type Exported, exportArrays } from '../../recordings/index.ts';
import { integer } from '../options.ts';
import { bytes, print, readingProgress, table } from '../output.ts';

interface ExportOptions {
  out: string;
  version?: number;
  what: 'parameters' | 'state' | 'gradients';
  from?: number;
  until?: number;
  json?: boolean;
}

/** The command. */
export function exportCommand(): Command {
  const what = new Option(
    '--what <arrays>',
    'state: with accumulators and all slots; gradients: [versions, …shape] of dense batches',
  );
  return new Command('export')
    .description('write parameters, state or gradients as .npz for NumPy, or as .safetensors')
    .argument('<path>', 'a recording (directory or .mcap file), or a snapshot, weights or gradients file')
    .requiredOption('--out <file>', 'the file to write, .npz or .safetensors')
    .option('--version <version>', "of a recording's parameters and state (default: the newest)", integer(0))
    .addOption(what.choices(['parameters', 'state', 'gradients']).default('parameters'))
    .option('--from <version>', 'the first version of gradients (default: the recording’s)', integer(1))
    .option('--until <version>', 'the last version of gradients (default: the recording’s)', integer(1))
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire export run --version 1200 --what state --out state.npz\n')
    .action(run);
}

async function run(path: string, { json, ...options }: ExportOptions): Promise<void> {
  const bar = readingProgress('reading');
  let exported: Exported;
  try {
    exported = await exportArrays(path, { ...options, progress: bar.update });
  } finally {
    bar.stop();
  }
  if (json) return print({ ...exported }, { json });
  const { arrays, ...facts } = exported;
  print({ out: facts.out, what: facts.what, version: facts.version, arrays: arrays.length, size: bytes(facts.bytes) });
  const rows = arrays.map(({ name, dtype, shape }) => [name, dtype, `[${shape.join(', ')}]`]);
  process.stdout.write(`\n${table(['array', 'dtype', 'shape'], rows)}`);
}
