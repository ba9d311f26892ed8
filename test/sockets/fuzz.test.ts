// 200,000 mutated frames, hellos, control messages and HTTP requests against a real trainer: each is answered with a code, and what is refused changes nothing.
// watchdog: 300 s
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../streams/operators/flow.ts';
import { figure } from '../support/figures.ts';
import { chance, pick, seed } from '../support/random.ts';
import { mutateFrame } from './fuzz/frames.ts';
import { judge, Windows } from './fuzz/judge.ts';
import { modelShapes, Source, Target } from './fuzz/target.ts';

// the parts of a run, which GRADWIRE_RUNS scales
const scale = Number(process.env.GRADWIRE_RUNS ?? 1000) / 1000;
const runs = (count: number): number => Math.ceil(count * scale);

test(`${runs(165_000)} mutated frames in the trainer’s own pipe: each has the one answer that an independent rule gives it`, async () => {
  const random = chance(seed);
  const target = await Target.open();
  const { trainer } = target;
  const windows = new Windows();
  let sources: Source[] = [];
  let accepted = Buffer.alloc(0);
  let valid = 0;
  for (let i = 0; i < runs(165_000) && target.faults.length === 0; i++) {
    // a mutant may fence its producer, or take its highest number
    if (i % 200 === 0) sources = Array.from({ length: 4 }, (_, j) => new Source(random, `w${i + j}`));
    const source = pick(random, sources);
    const [frame, other] = [source.next(trainer.version), source.next(trainer.version)];
    const fate = random();
    const mutant = fate < 0.01 ? Buffer.from(frame) : fate < 0.02 ? accepted : mutateFrame(random, frame, other);
    const judged = judge(mutant, modelShapes, 'default');
    const before = trainer.version;
    const place = typeof judged === 'string' ? judged : windows.place(mutant, judged, before);
    const answers: Answer[] = [];
    target.arrivals$.next({ frame: new Uint8Array(mutant), answer: (answer) => answers.push(answer) });
    const [answer] = answers;
    assert.is(answers.length, 1, `mutant ${i} has ${answers.length} answers; seed ${seed}`);
    target.answered(answer);
    const expected = place === 'new' ? before + 1 : place;
    const found = answer.type === 'ack' ? answer.version : 'refused';
    const agreed = typeof expected === 'number' ? found === expected : found === 'refused';
    assert.ok(agreed, `mutant ${i}, seed ${seed}: the rule says ${expected}, the trainer ${JSON.stringify(answer)}; ${mutant.toString('latin1')}`);
    if (answer.type === 'nack') assert.is(trainer.version, before);
    else valid += 1;
    if (place !== 'new' || typeof judged === 'string') continue;
    windows.note(mutant, judged, before + 1);
    accepted = mutant;
  }
  assert.equal(target.faults, []);
  assert.is(trainer.version, target.acks);
  figure(`fuzz: ${runs(165_000)} frames in the pipe, seed ${seed}: ${valid} of them valid all the same; ${target.summary()}`);
  await trainer.close();
});

test.run();
