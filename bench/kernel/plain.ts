// First question: nanoseconds per parameter of plain RMSprop, from 10^3 to 5·10^7 parameters, beside its peers.
import type { Scale, Table } from '../report.ts';
import { named, plain, waysOf } from './gradwire.ts';
import { flags, startLimit } from './limit.ts';
import { type Contender, measure, type Timing } from './rounds.ts';
import { defined, ratio, rowOf } from './spread.ts';
import { startTensorFlow } from './tfjs.ts';
import { startTorch } from './torch.ts';

const sizes = [1e3, 1e4, 1e5, 1e6, 1e7, 5e7];
const smokeSizes = [1e3, 1e4, 1e5];
const ours = 'gradwire SIMD';

/** A table for each size, and the versions of the peers. */
export async function plainTables(scale: Scale): Promise<{ tables: Table[]; versions: Record<string, string> }> {
  const tf = await startTensorFlow();
  const torch = await startTorch();
  const limit = await startLimit();
  try {
    const contenders = [...gradwires(), ...tf.contenders, ...torch.contenders, ...limit.contenders];
    const caption = `${captionOf()} The wasm backend works with ${tf.wasm}: in Node it allows itself no more.`;
    const tables: Table[] = [];
    for (const size of scale.smoke ? smokeSizes : sizes) {
      const timings = await measure(contenders, size, scale);
      const title = `plain RMSprop, ${size.toLocaleString('en-US')} parameters`;
      tables.push({
        title,
        caption: tables.length === 0 ? caption : undefined,
        rows: timings.map((each) => compared(each, timings, size)),
      });
    }
    const versions = { tfjs: tf.version, torch: torch.version ?? 'not installed', gcc: limit.version ?? 'not installed' };
    return { tables, versions };
  } finally {
    await torch.close();
    await limit.close();
  }
}

function gradwires(): Contender[] {
  const scalar = { ...plain, kernel: 'scalar' as const };
  return [...waysOf('gradwire scalar', scalar, 1, ['copied']), ...waysOf(ours, plain, 1), ...waysOf(ours, plain, 2)];
}

/** A peer's row: its figures, and its time divided by gradwire's with as many threads as it has. */
function compared(peer: Timing, timings: readonly Timing[], size: number) {
  const row = rowOf(peer, 'ns per parameter', size);
  if (peer.what.startsWith(ours)) return row;
  const threads = named(peer.what.endsWith(named(2)) ? 2 : 1);
  const one = (way: string) =>
    ratio(
      peer,
      timings.find(({ what }) => what === `${ours}, ${way}, ${threads}`),
    );
  return { ...row, ...defined({ 'this / in place': one('in place'), 'this / copied': one('copied') }) };
}

function captionOf(): string {
  return [
    'Median of the rounds, which run all contenders in turn; the same gradient at every step. "this /": how many times as fast gradwire',
    'SIMD is with as many threads. In place: the caller wrote the gradient into the memory of the optimizer, which is not timed.',
    'gradwire checks each gradient (finite, |g| <= maxAbs) in all its rows; of the peers only "C, check pass" does.',
    `C is compiled with gcc ${flags.join(' ')}, for 128-bit vectors (all that WebAssembly has) without the -march. TF.js adds epsilon inside the root.`,
  ].join('\n');
}
