// The frame of an example: reads its options, shows its run, takes Ctrl-C, and says how it ended.
import { type Display, type Drawing, makeDisplay } from './display.ts';
import { onInterrupt } from './interrupt.ts';
import { outliveReader } from './place.ts';

const refreshMs = 250;

/** What an example is made of. */
export interface Play<Options, View> {
  /** Reads the arguments after the program's name. */
  readonly readOptions: (args: readonly string[]) => Options;
  /** Whether the options ask for nothing but the summary, as one line of JSON. */
  readonly json: (options: Options) => boolean | undefined;
  readonly drawing: Drawing<View>;
  /** One run from start to summary: whether all of it went well. */
  readonly run: (options: Options, stage: Stage<View>) => Promise<boolean>;
}

/** Where a run takes place. */
export class Stage<View> {
  readonly display: Display<View>;
  readonly #json: boolean;
  readonly #interrupted: AbortSignal;

  constructor(drawing: Drawing<View>, json: boolean) {
    this.#json = json;
    this.display = makeDisplay(drawing, { quiet: json });
    this.#interrupted = onInterrupt(() => this.display.stop());
  }

  /** Reports trouble in one line. */
  readonly trouble = (line: string): void => this.display.warn(line);

  /** Ctrl-C: says this line and calls `stop`, at once where it has come already. */
  onInterrupt(line: string, stop: () => void): void {
    const heed = (): void => {
      stop();
      this.display.say(line);
    };
    if (this.#interrupted.aborted) heed();
    else this.#interrupted.addEventListener('abort', heed);
  }

  /** Shows the run again and again as `look` sees it. Returns what ends that. */
  refresh(look: () => View): () => void {
    const refreshing = setInterval(() => this.display.update(look()), refreshMs);
    return () => clearInterval(refreshing);
  }

  /** The end of the run: for programs, or as text for people. */
  print(summary: object, text: string): void {
    process.stdout.write(this.#json ? `${JSON.stringify(summary)}\n` : `\n${text}\n`);
  }
}

/** Runs an example in this process, with exit code 0 or 1; what it started ends with it. */
export async function perform<Options, View>({ readOptions, json, drawing, run }: Play<Options, View>): Promise<void> {
  outliveReader();
  const options = readOptions(process.argv.slice(2));
  const stage = new Stage(drawing, json(options) === true);
  try {
    process.exitCode = (await run(options, stage)) ? 0 : 1;
  } catch (error) {
    stage.display.stop();
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1); // workers and replicas end with this process
  }
}
