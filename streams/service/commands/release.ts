// `gradwire release URL`: publishes what was held back, and goes on publishing.
import { Command } from 'commander';
import { addConnectAccess, type ConnectAccessOptions } from '../access/connect.ts';
import { operate } from '../operate.ts';
import { print } from '../output.ts';

interface ReleaseOptions extends ConnectAccessOptions {
  model?: string;
  json?: boolean;
}

/** The command. */
export function releaseCommand(): Command {
  const command = new Command('release')
    .description('end a hold: what was held back is published as one update')
    .argument('<url>', 'the trainer, as its `serve` printed it')
    .option('--model <name>', 'which model (default: the one in the URL, or the only one)');
  return addConnectAccess(command)
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire release http://localhost:8080\n')
    .action(run);
}

async function run(url: string, { model, json, ...access }: ReleaseOptions): Promise<void> {
  print(await operate({ url, model, action: 'release', access }), { json });
}
