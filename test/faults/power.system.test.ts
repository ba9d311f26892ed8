// Power cuts: an ext4 that forgets all it was not told to keep, in the middle of load; what was acknowledged is there.
// watchdog: 400 s
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GradwireError } from '../../src/errors.ts';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import type { Durability } from '../../streams/recordings/index.ts';
import { figure } from '../support/figures.ts';
import { chance, whole } from '../support/random.ts';
import { bundle, removeBundles } from './bundle.ts';
import { type Ext4, mountExt4, needsRoot, unmountAll } from './mounts.ts';
import { begin, type Printed, recoverFrom } from './script.ts';

const test = suite('power cuts');
test.before(unmountAll);
test.after(() => {
  unmountAll();
  removeBundles();
});

const cuts = Number(process.env.GRADWIRE_CUTS ?? 50);
const seed = Number(process.env.GRADWIRE_SEED ?? 11);

// EXT4_IOC_SHUTDOWN without a flush of the log, in the moment that it reads a line
const cutter = `open(my $f, "<", $ARGV[0]) or die; my $flags = pack("L", 2); $| = 1; print "armed\n"; <STDIN>; ioctl($f, 0x8004587d, $flags) or die $!`;

/** Makes the file system stop at once, when the function is called: nothing that is not on disk gets there any more. */
async function armCut(path: string): Promise<() => Promise<void>> {
  const perl = spawn('perl', ['-e', cutter, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(perl, 'close');
  await once(perl.stdout, 'data');
  return async () => {
    perl.stdin.end('now\n');
    assert.equal(await ended, [0, null]);
  };
}

/** Trains in the directory until the power fails, some milliseconds after the first acknowledgement; the disk is there again afterwards. */
async function trainUntilCut(
  ext4: Ext4,
  {
    program,
    directory,
    afterMs,
    durability = 'fsync',
  }: { program: string; directory: string; afterMs: number; durability?: Durability },
): Promise<Printed> {
  const every = durability === 'fsync' ? 10 : 1e6;
  const script = { directory, durability, lives: [8000], ahead: 6, every };
  const { child, printed, acked, ended } = await begin(program, script);
  let acks: Printed['acks'];
  try {
    const cut = await armCut(ext4.path);
    await printed('ack');
    await delay(afterMs);
    // a process that lost its power could say no more: after the cut a sync may seem to go well
    acks = acked();
    await cut();
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  // it may not write any more, and so does not hear of it
  const late = setTimeout(() => child.kill('SIGKILL'), 3000);
  const found = await ended;
  clearTimeout(late);
  ext4.unmount();
  ext4.mount();
  return { ...found, acks };
}

needsRoot(
  test,
  'mkfs.ext4',
  'e2fsprogs',
)(`${cuts} power cuts under load: 0 acknowledged batches lost, 0 twice, the same bits (seed ${seed})`, async () => {
  const random = chance(seed);
  const program = bundle('scripted.ts');
  const ext4 = mountExt4(64 << 20);
  let acknowledged = 0;
  let temporaries = 0;
  for (let i = 0; i < cuts; i++) {
    const directory = join(ext4.path, `run-${Math.floor(i / 10)}`);
    const printed = await trainUntilCut(ext4, { program, directory, afterMs: whole(random, 0, 120) });
    acknowledged += printed.acks.size;
    assert.ok(printed.ended !== undefined || printed.signal === 'SIGKILL', printed.stderr);
    const names = readdirSync(directory);
    temporaries += names.filter((name) => name.endsWith('.tmp')).length;
    // what has its name is whole
    for (const name of names.filter((each) => each.endsWith('.safetensors'))) decodeSnapshot(readFileSync(join(directory, name)));
    const { epoch } = JSON.parse(readFileSync(join(directory, 'epoch.json'), 'utf8')) as { epoch: number };
    assert.is(epoch, printed.starts[0].epoch);
    assert.is(await recoverFrom(directory, printed), 0, `cut ${i}: acknowledged batches are lost`);
  }
  figure(
    `power: ${cuts} power cuts, ${acknowledged} batches acknowledged, ${temporaries} cut inside a snapshot or a claim: lost 0`,
  );
});

needsRoot(
  test,
  'mkfs.ext4',
  'e2fsprogs',
)('control: what only the operating system has is lost with the power', async () => {
  const program = bundle('scripted.ts');
  const ext4 = mountExt4(64 << 20);
  let lost = 0;
  for (let i = 0; i < 6 && lost === 0; i++) {
    const directory = join(ext4.path, `run-${i}`);
    const printed = await trainUntilCut(ext4, { program, directory, afterMs: 60, durability: 'os' });
    lost += await recoverFrom(directory, printed).catch((error: unknown) => {
      if (error instanceof GradwireError) return printed.acks.size;
      throw error;
    });
  }
  figure(`power: the control lost ${lost} batches`);
  assert.ok(lost > 0);
});

test.run();
