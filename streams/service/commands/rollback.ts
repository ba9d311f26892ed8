// `gradwire rollback URL|DIRECTORY --to VERSION`: the state of an earlier version as a new one.
import { Command } from 'commander';
import { trainer } from '../../trainer.ts';
import { addConnectAccess, type ConnectAccessOptions } from '../access/connect.ts';
import { isAddress, operate } from '../operate.ts';
import { integer } from '../options.ts';
import { print, readingProgress } from '../output.ts';

interface RollbackOptions extends ConnectAccessOptions {
  to: number;
  model?: string;
  json?: boolean;
}

/** The command. */
export function rollbackCommand(): Command {
  const command = new Command('rollback')
    .description('make the whole state of an earlier version the newest, as a new version; what came after it is undone')
    .argument('<trainer>', 'a trainer that runs, as its `serve` printed it, or the directory of one that does not')
    .requiredOption('--to <version>', 'the version to go back to', integer(0))
    .option('--model <name>', 'which model (default: the one in the URL, or the only one)');
  return addConnectAccess(command)
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire rollback http://localhost:8080 --to 1200\n  gradwire rollback run --to 1200\n')
    .action(run);
}

async function run(where: string, { to, model, json, ...access }: RollbackOptions): Promise<void> {
  const done = isAddress(where)
    ? await operate({ url: where, model, action: 'rollback', body: { version: to }, access })
    : await offline(where, to);
  print(done, { json });
}

/** A trainer for one rollback, without a port: it takes the lock, goes back, writes a snapshot and is gone. */
async function offline(directory: string, to: number): Promise<Record<string, unknown>> {
  const bar = readingProgress('recovering');
  const t = await trainer({ directory, progress: bar.update }).finally(bar.stop);
  try {
    const { version } = await t.rollback(to);
    return { version, to, digest: t.digest(), epoch: t.epoch };
  } finally {
    await t.close();
  }
}
