// The limits: the same loop in C, compiled at run time for this very machine, with and without a pass that checks the gradient, and
// for vectors of four floats, which are all that WebAssembly has.
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

/** As {@link flags}, for every machine of this kind: on x86-64 vectors of 128 bits. */
const narrowFlags = flags.filter((flag) => flag !== '-march=native');

/** The programs; none where there is no compiler. */
type Programs = { readonly wide: Driven; readonly narrow: Driven } | undefined;

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
  const wide = compiled(folder, 'wide', flags);
  const narrow = compiled(folder, 'narrow', narrowFlags);
  const close = async () => {
    await wide?.close();
    await narrow?.close();
    await rm(folder, { recursive: true });
  };
  try {
    for (const each of [wide, narrow]) if (each !== undefined) await refuseOtherBits(each);
  } catch (error) {
    await close();
    throw error;
  }
  const programs = wide === undefined || narrow === undefined ? undefined : { wide, narrow };
  return { version, contenders: contenders(programs), close };
}

function compiled(folder: string, name: string, given: readonly string[]): Driven | undefined {
  const program = join(folder, name);
  const source = fileURLToPath(new URL('../../../bench/kernel/rmsprop.c', import.meta.url));
  const { status } = spawnSync(compiler, [...given, '-o', program, source, '-lm'], { stdio: ['ignore', 'inherit', 'inherit'] });
  return status === 0 ? drive(program) : undefined;
}

function contenders(programs: Programs): Contender[] {
  const contender = (what: string, program: keyof NonNullable<Programs>, loop: 'fused' | 'checked'): Contender => ({
    what: `C, ${what}, 1 thread`,
    open: (size) => {
      if (programs === undefined) throw new Skipped('needs gcc');
      return { time: (steps) => asked(programs[program], `${loop} ${size} ${steps}`) };
    },
  });
  return [
    contender('fused loop alone', 'wide', 'fused'),
    contender('check pass and fused loop', 'wide', 'checked'),
    contender('fused loop alone, 128-bit vectors', 'narrow', 'fused'),
  ];
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
