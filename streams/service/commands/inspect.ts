// `gradwire inspect FILE`: what a recording or a safetensors file is and holds.
import { Command } from 'commander';
import { isRecording } from '../../recordings/index.ts';
import { plots } from '../inspect/plots.ts';
import { type Description, inspectRecording, type ProducerFacts } from '../inspect/recording.ts';
import { inspectSafetensors } from '../inspect/safetensors.ts';
import { print, table } from '../output.ts';

/** The command. */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description('say what a recording or a safetensors file is: model, versions, producers, tensors')
    .argument('<file>', 'an .mcap file, the directory of a trainer, or a safetensors file')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire inspect weights.safetensors\n')
    .action(inspect);
}

async function inspect(path: string, { json }: { json?: boolean }): Promise<void> {
  const description = (await isRecording(path)) ? await inspectRecording(path) : await inspectSafetensors(path);
  if (json) print(description, { json });
  else show(description);
}

function show({ tensors, producers = [], norms, losses = [], ...facts }: Description): void {
  print(forPeople(facts));
  if (producers.length > 0) process.stdout.write(`\n${producerTable(producers)}`);
  if (norms !== undefined && producers.length > 0) process.stdout.write(`\n${plots({ ...norms, producers, losses })}`);
  const rows = tensors.map(({ name, dtype, shape, norm, min, max }) => [name, dtype, `[${shape.join(', ')}]`, norm, min, max]);
  if (rows.length > 0) process.stdout.write(`\n${table(['tensor', 'dtype', 'shape', 'norm', 'min', 'max'], rows)}`);
}

/** The facts with the versions in one line. */
function forPeople({ firstVersion, lastVersion, ...facts }: Record<string, unknown>): Record<string, unknown> {
  if (firstVersion === undefined) return facts;
  const { what, model, run, optimizer, ...rest } = facts;
  return { what, model, run, optimizer, versions: rest.batches === 0 ? 'none' : `${firstVersion}–${lastVersion}`, ...rest };
}

function producerTable(producers: readonly ProducerFacts[]): string {
  const isSnapshot = producers.some(({ windowEntries }) => windowEntries !== undefined);
  const rows = producers.map(({ producer, producerEpoch, batches, windowEntries, examples, sequences }) => [
    producer,
    producerEpoch,
    windowEntries ?? batches ?? '',
    examples ?? '',
    sequences.join('–'),
  ]);
  return table(['producer', 'epoch', isSnapshot ? 'window entries' : 'batches', 'examples', 'sequences'], rows);
}
