// `gradwire inspect FILE`: what a recording or a safetensors file is and holds.
import { open, stat } from 'node:fs/promises';
import { Command } from 'commander';
import { GradwireError, quote } from '../../../src/errors.ts';
import { type Description, inspectRecording } from '../inspect/recording.ts';
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

function show({ tensors, producers = [], ...facts }: Description): void {
  print(facts);
  if (producers.length > 0) {
    const rows = producers.map(({ producer, producerEpoch, batches, examples, sequences }) => [
      producer,
      producerEpoch,
      batches,
      examples ?? '',
      sequences.join('–'),
    ]);
    process.stdout.write(`\n${table(['producer', 'epoch', 'batches', 'examples', 'sequences'], rows)}`);
  }
  const rows = tensors.map(({ name, dtype, shape, norm, min, max }) => [name, dtype, `[${shape.join(', ')}]`, norm, min, max]);
  if (rows.length > 0) process.stdout.write(`\n${table(['tensor', 'dtype', 'shape', 'norm', 'min', 'max'], rows)}`);
}

async function isRecording(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
      return buffer.subarray(0, bytesRead).toString('latin1').startsWith('\x89MCAP');
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new GradwireError('E_FILE', `cannot read ${quote(path)}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, {
      cause,
    });
  }
}
