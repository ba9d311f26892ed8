// Third question: what the class adds to the bare kernel at 1,000 parameters, and the RxJS operator to the class.
import { Subject } from 'rxjs';
import { layout } from '../../src/index.ts';
import { makeArena } from '../../src/rmsprop/kernel/arena.ts';
import { at, passes } from '../../src/rmsprop/kernel/control.ts';
import { simdKernel } from '../../src/rmsprop/kernel/kernel.ts';
import { rmsprop } from '../../streams/operators/index.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { gradientOf } from './gradients.ts';
import { optimizerOf, plain, stepping } from './gradwire.ts';
import { measure, type Running, type Timing, timed } from './rounds.ts';
import { median, rowOf } from './spread.ts';

const size = 1000;

/** The kernel, the class in its two ways and the operator, and the nanoseconds that each adds to what it is made of. */
export async function overheadTable(scale: Scale): Promise<Table> {
  const timings = await measure(
    [
      { what: 'the kernel alone', open: bareKernel },
      { what: 'step() in place', open: (length) => stepping(optimizerOf(length, plain), 'in place') },
      { what: 'step({ w })', open: (length) => stepping(optimizerOf(length, plain), 'copied') },
      { what: 'the rmsprop operator', open: operator },
    ],
    size,
    scale,
  );
  const [kernel, inPlace, copied, operated] = timings;
  const rows = [
    rowOf(kernel, 'ns per step', 1),
    { ...rowOf(inPlace, 'ns per step', 1), ...added(inPlace, kernel) },
    { ...rowOf(copied, 'ns per step', 1), ...added(copied, kernel) },
    { ...rowOf(operated, 'ns per step', 1), ...added(operated, copied) },
  ];
  const caption =
    'The class adds to the kernel alone: names, shapes, results, and the copy of 4 kB; the operator adds to step({ w }).';
  return { title: `overheads at ${size.toLocaleString('en-US')} parameters`, caption, rows };
}

/** The SIMD kernel's two passes, check and update: the one place that knows its interface. */
function bareKernel(length: number): Running {
  const slots = { centered: false, momentum: false, average: false, gradientSum: false, shared: false };
  const arena = makeArena(layout({ w: [length] }), slots);
  const kernel = simdKernel(arena, 0, undefined);
  arena.gradients.set(gradientOf(length));
  const { constants } = arena;
  constants[at.rho] = plain.rho;
  constants[at.omr] = 1 - Math.fround(plain.rho);
  constants[at.epsilon] = plain.epsilon;
  constants[at.lr] = plain.lr;
  constants[at.maxAbs] = 1e9;
  return timed(() => {
    kernel.run(passes.check, 0, length);
    kernel.run(passes.update, 0, length);
  });
}

function operator(length: number): Running {
  const batches$ = new Subject<{ w: Float32Array }>();
  const subscription = batches$.pipe(rmsprop(layout({ w: [length] }), plain)).subscribe();
  const batch = { w: gradientOf(length) };
  return timed(
    () => batches$.next(batch),
    () => subscription.unsubscribe(),
  );
}

function added(whole: Timing, part: Timing): Omit<Row, 'what'> {
  if (whole.rounds.length === 0) return {};
  return { 'adds ns': rounded(median(whole.rounds.map((time, round) => time - part.rounds[round]))) };
}
