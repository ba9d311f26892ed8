// The limit: the same loop in C, compiled for this very machine at run time, with and without a pass that checks the gradient.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layout, RMSprop } from '../../src/index.ts';
import { type Driven, drive } from './driven.ts';
import { gradientOf } from './gradients.ts';
import { plain } from './gradwire.ts';
import { type Contender, Skipped } from './rounds.ts';

const compiler = 'gcc';

/** How the limit is compiled. Without contraction to fused multiply-adds, so that its bits are gradwire's. */
export const flags = ['-O3', '-march=native', '-fno-math-errno', '-ffp-contract=off'] as const;

/** The contenders in C and the compiler's version, which is undefined where there is none. */
export interface Limit {
  readonly version: string | undefined;
  readonly contenders: readonly Contender[];
  close(): Promise<void>;
}

/** Compiles rmsprop.c into a temporary folder and starts it; close it after the last round. */
export async function startLimit(): Promise<Limit> {
  const version = spawnSync(compiler, ['-dumpfullversion'], { encoding: 'utf8' }).stdout?.trim();
  if (!version) return { version: undefined, contenders: contenders(undefined), close: async () => undefined };
  const folder = await mkdtemp(join(tmpdir(), 'gradwire-limit-'));
  const driven = compiled(folder);
  const close = async () => {
    await driven?.close();
    await rm(folder, { recursive: true });
  };
  try {
    if (driven !== undefined) await refuseOtherBits(driven);
  } catch (error) {
    await close();
    throw error;
  }
  return { version, contenders: contenders(driven), close };
}

function compiled(folder: string): Driven | undefined {
  const program = join(folder, 'rmsprop');
  const source = fileURLToPath(new URL('../../../bench/kernel/rmsprop.c', import.meta.url));
  const { status } = spawnSync(compiler, [...flags, '-o', program, source, '-lm'], { stdio: ['ignore', 'inherit', 'inherit'] });
  return status === 0 ? drive(program) : undefined;
}

function contenders(driven: Driven | undefined): Contender[] {
  return ['fused', 'checked'].map((loop) => ({
    what: `C, ${loop === 'checked' ? 'check pass and fused loop' : 'fused loop alone'}, 1 thread`,
    open: (size) => {
      if (driven === undefined) throw new Skipped('needs gcc');
      return { time: (steps) => asked(driven, `${loop} ${size} ${steps}`) };
    },
  }));
}

async function asked(driven: Driven, line: string): Promise<number> {
  const answer = await driven.ask(line);
  if (typeof answer !== 'number') throw new Error(`the limit in C ended at the line ${line}`);
  return answer;
}

// a peer that computes something else is no limit
async function refuseOtherBits(driven: Driven): Promise<void> {
  const size = 1003;
  const optimizer = new RMSprop(layout({ w: [size] }), plain);
  for (let step = 0; step < 20; step++) optimizer.step({ w: gradientOf(size) });
  const words = new Uint32Array(optimizer.parameters.copy('w').buffer);
  const sum = words.reduce((total, word) => (total + word) >>> 0, 0);
  if ((await asked(driven, `bits ${size} 20`)) !== sum) throw new Error('the limit in C gives other bits than gradwire');
}
