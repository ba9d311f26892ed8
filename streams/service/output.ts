// What commands print: lines for people, one JSON document for programs; progress on the terminal alone.
import { rename, writeFile } from 'node:fs/promises';
import { SingleBar } from 'cli-progress';
import { GradwireError, quote } from '../../src/errors.ts';
import { isPrintable } from '../../src/layout.ts';

/** Prints an object: as one line of JSON, or as aligned `name  value` lines. */
export function print(facts: Readonly<Record<string, unknown>>, { json = false }: { json?: boolean } = {}): void {
  if (json) process.stdout.write(`${jsonOf(facts)}\n`);
  else process.stdout.write(lines(facts));
}

// JSON has a -0, which JSON.stringify does not write
const minusZero = '\u0000-0';

function jsonOf(facts: object): string {
  const marked = JSON.stringify(facts, (_, value: unknown) => (Object.is(value, -0) ? minusZero : value));
  return marked.replaceAll(JSON.stringify(minusZero), '-0');
}

/** Aligned `name  value` lines. */
export function lines(facts: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined && value !== null);
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${shown(value)}\n`).join('');
}

/** A value from a file may hold what a terminal would obey. */
function shown(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return isPrintable(text) && text.length <= 1000 ? text : quote(text);
}

/** Rows under their headings, columns aligned, numbers to the right. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? compact(cell) : cell)));
  const widths = headings.map((heading, i) => Math.max(heading.length, ...cells.map((row) => row[i].length)));
  const line = (row: readonly string[], source?: readonly (string | number)[]) =>
    row
      .map((cell, i) => (typeof source?.[i] === 'number' ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return [line(headings, rows[0]), ...cells.map((row, i) => line(row, rows[i]))].map((text) => `${text}\n`).join('');
}

/** A number in at most six digits. */
function compact(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(6);
}

/** Bytes as a person says them. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), units.length - 1);
  return power === 0 ? `${count} B` : `${(count / 1000 ** power).toFixed(1)} ${units[power]}`;
}

/** How far the reading of a recording has come. */
interface Reading {
  readonly bytes: number;
  readonly totalBytes: number;
  readonly version: number;
}

/** A progress bar for reading a recording, on a terminal's standard error; nothing elsewhere. Stop it before printing. */
export function readingProgress(what: string): { update(reading: Reading): void; stop(): void } {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const format = `${what} [{bar}] {percentage} %  version {version}  {eta_formatted} left`;
  const bar = new SingleBar({ format, clearOnComplete: true, hideCursor: true, stream: process.stderr, fps: 10 });
  bar.start(1, 0, { version: 0 });
  return {
    update: ({ bytes: done, totalBytes, version }) => {
      bar.setTotal(Math.max(totalBytes, 1));
      bar.update(done, { version });
    },
    stop: () => bar.stop(),
  };
}

/** How far something has come of which nobody knows the end: on a terminal's standard error; nothing elsewhere. */
export function countingProgress(what: string): {
  update(count: { version: number; bytes: number }): void;
  /** Takes the line away until the next update, so that another can be printed. */
  clear(): void;
  stop(): void;
} {
  if (!process.stderr.isTTY) return { update: () => undefined, clear: () => undefined, stop: () => undefined };
  const shownEveryMs = 200;
  let shown = { version: 0, atMs: Number.NEGATIVE_INFINITY };
  const clear = (): void => void process.stderr.write('\r\x1b[K');
  return {
    update: ({ version, bytes: count }) => {
      const atMs = performance.now();
      if (atMs - shown.atMs < shownEveryMs) return;
      const rate = Math.round(((version - shown.version) * 1000) / (atMs - shown.atMs));
      const speed = Number.isFinite(shown.atMs) ? `  ${rate} batches/s` : '';
      clear();
      process.stderr.write(`${what}  version ${version}  ${bytes(count)}${speed}`);
      shown = { version, atMs };
    },
    clear,
    stop: clear,
  };
}

/** A line that says where a replay with its original timing stands, on a terminal's standard error; nothing elsewhere. */
export function pacedProgress(speed: number): {
  update(batch: { readonly version: number; readonly writtenMs: number }): void;
  stop(): void;
} {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const format = `version {version}  written {time}  ${speed} times as fast`;
  const line = new SingleBar({ format, clearOnComplete: true, hideCursor: true, stream: process.stderr, fps: 10 });
  line.start(1, 0, { version: 0, time: '' });
  return {
    update: ({ version, writtenMs }) => line.update(0, { version, time: new Date(writtenMs).toISOString() }),
    stop: () => line.stop(),
  };
}

/** A warning, on standard error. */
export function warn(text: string): void {
  process.stderr.write(`gradwire: ${text}\n`);
}

/** Writes a file whole or not at all: beside it first, then renamed. */
export async function writeWhole(path: string, contents: Uint8Array): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(beside, contents);
    await rename(beside, path);
  } catch (cause) {
    throw new GradwireError('E_FILE', `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}
