// `gradwire hold URL`: nothing is published until it is released.
import { Command } from 'commander';
import { addConnectAccess, type ConnectAccessOptions } from '../access/connect.ts';
import { operate } from '../operate.ts';
import { print } from '../output.ts';

interface HoldOptions extends ConnectAccessOptions {
  reason?: string;
  model?: string;
  json?: boolean;
}

/** The command. */
export function holdCommand(): Command {
  const command = new Command('hold')
    .description('hold publication: replicas stay at their version, while the trainer goes on folding and acknowledging')
    .argument('<url>', 'the trainer, as its `serve` printed it')
    .option('--reason <text>', "why, for the trainer's status")
    .option('--model <name>', 'which model (default: the one in the URL, or the only one)');
  return addConnectAccess(command)
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire hold http://localhost:8080 --reason "the score fell"\n')
    .action(run);
}

async function run(url: string, { reason, model, json, ...access }: HoldOptions): Promise<void> {
  print(await operate({ url, model, action: 'hold', body: { reason }, access }), { json });
}
