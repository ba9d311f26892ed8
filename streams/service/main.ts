#!/usr/bin/env node
// The `gradwire` program: its commands, and one way for all of them to end in a clear line.
import { Command, CommanderError } from 'commander';
import { type ErrorCode, GradwireError } from '../../src/errors.ts';
import { convertCommand } from './commands/convert.ts';
import { diffCommand } from './commands/diff.ts';
import { exportCommand } from './commands/export.ts';
import { followCommand } from './commands/follow.ts';
import { forkCommand } from './commands/fork.ts';
import { holdCommand } from './commands/hold.ts';
import { inspectCommand } from './commands/inspect.ts';
import { recordCommand } from './commands/record.ts';
import { relayCommand } from './commands/relay.ts';
import { releaseCommand } from './commands/release.ts';
import { replayCommand } from './commands/replay.ts';
import { restoreCommand } from './commands/restore.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { serveCommand } from './commands/serve.ts';
import { sweepCommand } from './commands/sweep.ts';
import { verifyCommand } from './commands/verify.ts';

const commands = [
  serveCommand(),
  followCommand(),
  relayCommand(),
  recordCommand(),
  replayCommand(),
  inspectCommand(),
  verifyCommand(),
  restoreCommand(),
  forkCommand(),
  sweepCommand(),
  diffCommand(),
  exportCommand(),
  holdCommand(),
  releaseCommand(),
  rollbackCommand(),
  convertCommand(),
];
const program = new Command('gradwire')
  .description('A streaming optimizer: gradient batches in, parameter updates out, replicas equal to the bit.')
  .version('0.1.0')
  // what stands after a command is the command's: restore and export have a --version of their own
  .enablePositionalOptions()
  .showHelpAfterError('(gradwire --help shows what there is)');
for (const command of commands)
  program.addCommand(command.showHelpAfterError(`(gradwire ${command.name()} --help shows its options)`));
for (const command of [program, ...commands]) command.exitOverride();

// whoever reads our output may stop before its end, as `head` does
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

// a file that reaches the limit of its size is an error of the write, not the end of the process
process.on('SIGXFSZ', () => undefined);

/** What is wrong with the call ends in 2, what went wrong on the way in 1; a supervisor must tell these two from it. */
const exitCodes: ReadonlyMap<ErrorCode, number> = new Map([
  ['E_CONFIG', 2],
  ['E_FENCED', 73],
  ['E_DISK_FAILED', 74],
]);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = codeOf(error);
  if (!(error instanceof CommanderError)) process.stderr.write(`gradwire: ${describe(error)}\n`);
}

function codeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof GradwireError ? (exitCodes.get(error.code) ?? 1) : 1;
}

function describe(error: unknown): string {
  if (error instanceof GradwireError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
