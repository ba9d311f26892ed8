// `gradwire convert IN OUT`: the weights of a TensorFlow.js layers model as safetensors, and back.
import { Command } from 'commander';
import { convert } from '../convert.ts';
import { bytes, print } from '../output.ts';

interface ConvertOptions {
  topology?: string;
  json?: boolean;
}

/** The command. */
export function convertCommand(): Command {
  return new Command('convert')
    .description('convert a TensorFlow.js layers model to .safetensors, or the other way round')
    .argument('<in>', 'a layers model (its directory or model.json), or a .safetensors file')
    .argument('<out>', 'a .safetensors file, or a directory or model.json')
    .option('--topology <model>', 'the layers model (directory or model.json) that weights without one are of')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  gradwire convert digits digits.safetensors\n  gradwire convert weights.safetensors live --topology digits\n',
    )
    .action(run);
}

async function run(from: string, to: string, { topology, json }: ConvertOptions): Promise<void> {
  const converted = await convert(from, to, topology);
  if (json) return print({ ...converted }, { json });
  const { out, format, tensors, bytes: size, files } = converted;
  print({ out, format, tensors, size: bytes(size), files: files.length });
}
