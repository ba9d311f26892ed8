// A program that always does the same: it trains in two lives in its directory, and prints whatever its pushes came to.
import { readSync, writeSync } from 'node:fs';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { GradwireError } from '../../src/errors.ts';
import { type Trainer, trainer } from '../../streams/trainer.ts';
import { model, type Name, optimizer } from '../recordings/runs.ts';
import { given, type Script, settings } from './script.ts';

const {
  directory,
  durability,
  lives,
  ahead = 1,
  pauseAt,
  keepAll,
  every = settings.snapshots.every,
}: Script = JSON.parse(process.argv[2]);
const exitCodes: Readonly<Record<string, number>> = { E_DISK: 1, E_FILE: 1, E_LOCKED: 1, E_FENCED: 73, E_DISK_FAILED: 74 };

/** Prints at once, whatever happens next. */
function say(...words: unknown[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

function codeOf(error: unknown): string {
  if (error instanceof GradwireError) return error.code;
  throw error;
}

/** Waits until nothing is being read or written, a snapshot neither: what comes next is then the same every time. */
async function quiet(): Promise<void> {
  do await turn();
  while (process.getActiveResourcesInfo().some((name) => name === 'FSReqPromise' || name === 'CloseReq'));
}

/** Pushes until it is acknowledged, as a worker does; but not for ever. */
async function push(t: Trainer<Name>, version: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { version: made, duplicate } = await t.push(given[version - 1]);
      say('ack', version, made, duplicate);
      return;
    } catch (error) {
      if (!(error instanceof GradwireError) || !error.retryable || attempt === 100) throw error;
      say('nack', version, error.code);
      await delay(error.retryAfterMs / 10);
    }
  }
}

/** Waits for a line; with it, everything waits. */
function wait(word: string): void {
  say(word);
  readSync(0, Buffer.alloc(8));
}

// whoever watches its calls is there when it begins
wait('loaded');
try {
  for (const last of lives) {
    const t = await trainer<Name>({
      ...settings,
      snapshots: { ...settings.snapshots, every },
      ...(keepAll ? { retention: {} } : {}),
      model,
      optimizer,
      directory,
      durability,
      onError: (error) => say('told', codeOf(error)),
    });
    say('started', t.epoch, t.version);
    for (let version = t.version + 1; version <= last; version += ahead) {
      const group = Array.from({ length: Math.min(ahead, last + 1 - version) }, (_, i) => push(t, version + i));
      // what makes it fail is told by `closed`
      await Promise.all(group).catch((error) => Promise.race([t.closed, delay(1000).then(() => Promise.reject(error))]));
      if (ahead === 1) await quiet();
      if (pauseAt !== undefined && version <= pauseAt && t.version >= pauseAt) wait('paused');
    }
    say('closing');
    await t.close();
    say('closed', last);
  }
  say('done');
} catch (error) {
  say('ended', codeOf(error));
  process.exitCode = exitCodes[codeOf(error)];
}
