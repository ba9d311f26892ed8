// Shows the run while it lasts: a progress bar and live lines on a terminal, otherwise a plain line now and then.
import { MultiBar } from 'cli-progress';
import { whole } from './text.ts';

/** How the views of a run are drawn. */
export interface Drawing<View> {
  /** What is counted, as in `flights`: it stands beside the bar. */
  readonly what: string;
  /** How many of them are done, how many there will be, and the time left as text. */
  progress(view: View): { readonly done: number; readonly expected: number; readonly left: string };
  /** The lines below the bar: name and text of each, always as many. */
  liveLines(view: View): [string, string][];
  /** One line that says the same where there is no terminal. */
  plainLine(view: View): string;
}

/** Where a run is shown. */
export interface Display<View> {
  /** A line that stays. */
  say(line: string): void;
  /** A line about something that went wrong; it is printed even where nothing else is. */
  warn(line: string): void;
  update(view: View): void;
  /** Leaves the screen as it is, fit for what follows. */
  stop(): void;
}

const labelWidth = 11;
const plainEveryMs = 4_000;
const nothing = (): void => undefined;

/** The display that fits: none where `quiet`, live lines on a terminal, plain lines anywhere else. */
export function makeDisplay<View>(
  drawing: Drawing<View>,
  { quiet = false, stream = process.stdout }: { quiet?: boolean; stream?: NodeJS.WriteStream } = {},
): Display<View> {
  if (quiet) return { say: nothing, warn: toStderr, update: nothing, stop: nothing };
  return stream.isTTY ? terminalDisplay(drawing, stream) : plainDisplay(drawing, stream);
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

function plainDisplay<View>({ plainLine }: Drawing<View>, stream: NodeJS.WriteStream): Display<View> {
  let next = performance.now() + plainEveryMs;
  const say = (line: string): void => void stream.write(`${line}\n`);
  return {
    say,
    warn: toStderr,
    update: (view) => {
      if (performance.now() < next) return;
      next = performance.now() + plainEveryMs;
      say(plainLine(view));
    },
    stop: nothing,
  };
}

function terminalDisplay<View>(drawing: Drawing<View>, stream: NodeJS.WriteStream): Display<View> {
  let lines: Line<View>[] | undefined;
  const bars = new MultiBar({ stream, hideCursor: true, gracefulExit: false, barCompleteChar: '█', barIncompleteChar: '░' });
  const say = (line: string): void => (lines === undefined ? void stream.write(`${line}\n`) : bars.log(`${line}\n`));
  return {
    say,
    warn: say,
    update: (view) => {
      lines ??= makeLines(drawing, { bars, stream, first: view });
      for (const line of lines) line(view);
    },
    stop: () => {
      if (lines === undefined) return;
      bars.update(); // what is drawn already, stop() does not draw again with the lines cut short
      bars.stop();
    },
  };
}

/** Draws its part of a view. */
type Line<View> = (view: View) => void;

/** The progress bar and under it as many of the live lines as the terminal has rows for. */
function makeLines<View>(
  { what, progress, liveLines }: Drawing<View>,
  { bars, stream, first }: { bars: MultiBar; stream: NodeJS.WriteStream; first: View },
): Line<View>[] {
  const label = (name: string): string =>
    stream.hasColors() ? `\u001b[2m${name.padEnd(labelWidth)}\u001b[22m` : name.padEnd(labelWidth);
  const bar = bars.create(
    progress(first).expected,
    0,
    {},
    {
      format: `${label(what)}{bar} {percentage} %  {done}  {left} left`,
      barsize: Math.max(8, Math.min(40, stream.columns - 50)),
    },
  );
  const texts = liveLines(first).slice(0, Math.max(0, stream.rows - 3));
  return [
    (view) => {
      const { done, expected, left } = progress(view);
      bar.update(done, { done: `${whole(done)} of ${whole(expected)}`, left });
    },
    ...texts.map(([name], i): Line<View> => {
      const line = bars.create(
        1,
        0,
        { text: '' },
        { format: (_options, _params, { text }: { text: string }) => label(name) + text },
      );
      return (view) => line.update({ text: liveLines(view)[i][1] });
    }),
  ];
}
