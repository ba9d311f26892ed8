// `gradwire record URL`: a recording of a live trainer's gradients, from where it is now.
import { stat } from 'node:fs/promises';
import { Command, Option } from 'commander';
import {
  BehaviorSubject,
  from as fromPromise,
  lastValueFrom,
  merge,
  NEVER,
  takeUntil,
  takeWhile,
  tap as tapEach,
  timer,
} from 'rxjs';
import { GradwireError, quote } from '../../../src/errors.ts';
import type { Tapped, TapStart } from '../../operators/tapped.ts';
import { type Durability, recordTapped, type TappedProgress } from '../../recordings/index.ts';
import { tap } from '../../sockets/index.ts';
import { addConnectAccess, type ConnectAccessOptions, connectAccess } from '../access/connect.ts';
import { integer, number } from '../options.ts';
import { bytes, countingProgress, print } from '../output.ts';
import { stopped } from '../stop.ts';

interface RecordOptions extends ConnectAccessOptions {
  out: string;
  model?: string;
  until?: number;
  seconds?: number;
  durability: Durability;
  json?: boolean;
}

// for a trainer that does not answer at the start; later ones are waited for
const startMs = 15_000;

/** The command. */
export function recordCommand(): Command {
  const command = new Command('record')
    .description("record a live trainer's gradients, from its version now: `replay` then gives the trainer's digest")
    .argument('<url>', 'the trainer, as its `serve` printed it')
    .requiredOption(
      '--out <path>',
      'a new file where it ends in .mcap (each later epoch of the trainer goes to another, name-2.mcap), otherwise a folder, which holds all epochs as one recording',
    )
    .option('--model <name>', 'which model (default: the one in the URL, or the only one)')
    .option('--until <version>', 'end once this version is recorded', integer(0))
    .option('--seconds <seconds>', 'end after so long (default: at Ctrl-C)', number)
    .addOption(
      new Option('--durability <what>', 'what is recorded survives: a power cut (fsync), the process (os), nothing (none)')
        .choices(['fsync', 'os', 'none'])
        .default('os'),
    )
    .option('--json', 'one JSON object at the end');
  return addConnectAccess(command)
    .addHelpText('after', '\nExample:\n  gradwire record http://localhost:8080 --out tapped --seconds 60\n')
    .action(record);
}

async function record(url: string, options: RecordOptions): Promise<void> {
  const { out, json } = options;
  const seconds = options.seconds ?? 0;
  if (!(seconds >= 0 && seconds < 2 ** 31 / 1000))
    throw new GradwireError('E_CONFIG', `--seconds must be a number from 0 to 2147483; got ${seconds}`);
  await refuseExisting(out);
  const log = new Log(options);
  try {
    await follow(url, options, log);
  } finally {
    log.stop();
    // what was recorded is told of even where it ended in an error
    const facts = await log.facts();
    if (facts !== undefined) {
      const { recording, run, firstVersion: from, lastVersion: version, batches } = facts;
      if (json) print(facts, { json });
      else print({ recording, run, from, version, batches, bytes: facts.bytes, size: bytes(facts.bytes) });
    }
  }
  if (!log.begun) throw new GradwireError('E_CLOSED', 'it was stopped before the trainer answered; nothing was recorded');
}

async function follow(
  url: string,
  { out, model, until, seconds, durability, ...access }: RecordOptions,
  log: Log,
): Promise<void> {
  const hold$ = new BehaviorSubject(false);
  const stop$ = merge(fromPromise(stopped()), seconds === undefined ? NEVER : timer(seconds * 1000));
  const tapped$ = tap(url, {
    ...connectAccess(access),
    model,
    readyTimeoutMs: startMs,
    hold$,
    onLost: (reason) => log.warn(reason),
  }).pipe(
    takeUntil(stop$),
    takeWhile((each) => versionOf(each) < (until ?? Number.POSITIVE_INFINITY), true),
    tapEach((each) => log.came(each)),
    recordTapped(out, { durability, onFull: (full) => hold$.next(full), onWritten: (progress) => log.written(progress) }),
  );
  await lastValueFrom(tapped$, { defaultValue: undefined });
}

function versionOf(each: Tapped): number {
  return each.kind === 'start' ? each.snapshot.version : each.version;
}

async function refuseExisting(out: string): Promise<void> {
  const found = await stat(out).catch(() => undefined);
  if (found === undefined || (found.isDirectory() && !out.endsWith('.mcap'))) return;
  throw new GradwireError('E_FILE', `${quote(out)} is there already; nothing was written over it; choose a new name`);
}

/** What has been recorded so far, for the terminal and for the end. */
class Log {
  readonly #options: RecordOptions;
  readonly #bar: ReturnType<typeof countingProgress>;
  readonly #paths = new Set<string>();
  #start: TapStart['snapshot'] | undefined;
  #at: TappedProgress | undefined;

  constructor(options: RecordOptions) {
    this.#options = options;
    this.#bar = countingProgress('recording');
  }

  /** Whether anything is in a file. */
  get begun(): boolean {
    return this.#at !== undefined;
  }

  came(each: Tapped): void {
    if (each.kind === 'start') this.#start = each.snapshot;
  }

  written(at: TappedProgress): void {
    if (!this.#paths.has(at.path)) this.#opened(at);
    this.#at = at;
    this.#bar.update({ version: at.version, bytes: at.bytes });
  }

  warn(text: string): void {
    this.#bar.clear();
    process.stderr.write(`gradwire: ${text}; connecting again\n`);
  }

  stop(): void {
    this.#bar.stop();
  }

  /** What there is to tell at the end; undefined where nothing was recorded. */
  async facts(): Promise<RecordFacts | undefined> {
    if (this.#at === undefined || this.#start === undefined) return undefined;
    const { run, model, version: from } = this.#start;
    const { epoch, version } = this.#at;
    let size = 0;
    for (const path of this.#paths) size += (await stat(path)).size;
    const place = { recording: this.#options.out, run, model, epoch, firstVersion: from + 1, lastVersion: version };
    return { ...place, batches: version - from, bytes: size };
  }

  #opened({ path, epoch }: TappedProgress): void {
    this.#bar.clear();
    const first = this.#paths.size === 0;
    this.#paths.add(path);
    const from = first ? this.#start?.version : this.#at?.version;
    const text = `recording ${path} from version ${(from ?? 0) + 1}, epoch ${epoch}\n`;
    if (first && !this.#options.json) process.stdout.write(text);
    else process.stderr.write(text);
  }
}

/** What the command prints at its end. */
interface RecordFacts extends Readonly<Record<string, unknown>> {
  readonly recording: string;
  readonly run: string;
  readonly model: string;
  /** That of the last record. */
  readonly epoch: number;
  readonly firstVersion: number;
  /** One below the first where no batch came. */
  readonly lastVersion: number;
  readonly batches: number;
  /** In all files. */
  readonly bytes: number;
}
