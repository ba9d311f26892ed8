// The trainer behind a page, from outside: started, stepped, killed and started again on its directory.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EncodingName } from '../../src/encodings/names.ts';
import type { TrainerOptions } from '../../streams/trainer.ts';

const program = fileURLToPath(new URL('stepping.mjs', import.meta.url));

/** What a process says of itself. */
interface Said {
  readonly port: number;
  readonly version: number;
}

/** What it is told at its start: plain data. */
interface SteppingOptions extends TrainerOptions {
  /** The file for lines of epoch, version and digest. */
  readonly log: string;
}

/** A trainer's lives, one after the other. Whoever starts it ends it. */
export class Stepper {
  readonly #folder = mkdtempSync(join(tmpdir(), 'gradwire-stepper-'));
  readonly #options: SteppingOptions;
  #child!: ChildProcess;
  #said: Said = { port: 0, version: 0 };
  #ended = '';
  #heard: () => void = () => undefined;

  private constructor(encoding: EncodingName, backlogFrames: number) {
    this.#options = {
      directory: join(this.#folder, 'run'),
      log: join(this.#folder, 'log'),
      durability: 'os',
      publish: { encoding, settleMs: 200 },
      listen: { port: 0, backlogFrames },
      snapshots: { every: 1500 },
    };
  }

  /** Starts one whose backlog holds so many updates. */
  static async start(encoding: EncodingName, backlogFrames: number): Promise<Stepper> {
    const stepper = new Stepper(encoding, backlogFrames);
    await stepper.begin();
    return stepper;
  }

  get port(): number {
    return this.#said.port;
  }

  /** The newest version that it told of. */
  get version(): number {
    return this.#said.version;
  }

  /** Steps to a version; resolves when it is published. */
  async stepTo(version: number): Promise<void> {
    this.#child.send(version);
    await this.#until(() => this.version >= version);
  }

  /** Kills it with SIGKILL once it has stepped to that version, while it steps further. */
  async killBeyond(version: number): Promise<void> {
    this.#child.send(version + 1000);
    await this.#until(() => this.version >= version);
    await this.kill();
  }

  /** Kills it with SIGKILL. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  /** Starts another one on the same directory, on another port. */
  async begin(): Promise<void> {
    this.#said = { ...this.#said, port: 0 };
    this.#ended = '';
    this.#child = fork(program, [JSON.stringify(this.#options)], { execArgv: [] });
    this.#child.on('message', (said) => {
      this.#said = said as Said;
      this.#heard();
    });
    this.#child.on('exit', (code, signal) => {
      this.#ended = String(signal ?? code);
      this.#heard();
    });
    await this.#until(() => this.port > 0);
  }

  /** Everything that it has published so far, by epoch and version: the digests of the weights, more than one where it settled. */
  published(): Map<string, readonly string[]> {
    const published = new Map<string, string[]>();
    for (const line of readFileSync(this.#options.log, 'utf8').trim().split('\n')) {
      const [epoch, version, digest] = line.split(' ');
      const key = `${epoch} ${version}`;
      published.set(key, [...(published.get(key) ?? []), digest]);
    }
    return published;
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#ended !== '') throw new Error(`the trainer ended with ${this.#ended} after version ${this.version}`);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }
}
