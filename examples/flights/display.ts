// Shows the run while it lasts: a progress bar and live lines on a terminal, otherwise a plain line now and then.
import { MultiBar } from 'cli-progress';
import { liveLines, plainLine, timeLeft, type View, whole } from './view.ts';

/** Where a run is shown. */
export interface Display {
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
export function makeDisplay(quiet = false, stream: NodeJS.WriteStream = process.stdout): Display {
  if (quiet) return { say: nothing, warn: toStderr, update: nothing, stop: nothing };
  return stream.isTTY ? terminalDisplay(stream) : plainDisplay(stream);
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

function plainDisplay(stream: NodeJS.WriteStream): Display {
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

function terminalDisplay(stream: NodeJS.WriteStream): Display {
  let lines: Line[] | undefined;
  const bars = new MultiBar({ stream, hideCursor: true, gracefulExit: false, barCompleteChar: '█', barIncompleteChar: '░' });
  const say = (line: string): void => (lines === undefined ? void stream.write(`${line}\n`) : bars.log(`${line}\n`));
  return {
    say,
    warn: say,
    update: (view) => {
      lines ??= makeLines(bars, stream, view);
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
type Line = (view: View) => void;

/** The progress bar and under it as many of the live lines as the terminal has rows for. */
function makeLines(bars: MultiBar, stream: NodeJS.WriteStream, first: View): Line[] {
  const label = (name: string): string =>
    stream.hasColors() ? `\u001b[2m${name.padEnd(labelWidth)}\u001b[22m` : name.padEnd(labelWidth);
  const progress = bars.create(
    first.expected,
    0,
    {},
    {
      format: `${label('flights')}{bar} {percentage} %  {flights}  {left} left`,
      barsize: Math.max(8, Math.min(40, stream.columns - 50)),
    },
  );
  const texts = liveLines(first).slice(0, Math.max(0, stream.rows - 3));
  return [
    (view) =>
      progress.update(view.flights, { flights: `${whole(view.flights)} of ${whole(view.expected)}`, left: timeLeft(view) }),
    ...texts.map(([name], i): Line => {
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
