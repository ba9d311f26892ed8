// verify: checks every byte of a recording, a snapshot or a weights file that it can, and says what it proved.

import { refuseUnknownOptions } from '../../../../src/errors.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { isRecording } from '../../history/is-recording.ts';
import { counted, type Verification, type VerifiedSnapshot } from './findings.ts';
import { verifyFrame } from './frame.ts';
import { RecordingCheck } from './recording.ts';
import { surveyOf } from './survey.ts';

/** Who hears about it. */
export interface VerifyOptions {
  /** Told how far reading has come. */
  readonly progress?: (progress: ReadProgress) => void;
}

/**
 * Verifies a recording (a directory, or an .mcap file and the segments of its run before it) or a safetensors file.
 *
 * It reads everything once, bounded in memory, and goes on behind damage with the next segment and the next snapshot. Damage
 * is a finding, not an error. It writes nothing.
 *
 * @throws GradwireError `E_FILE` for what cannot be read, `E_RECORDING` for a directory without a recording, `E_CONFIG`.
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<Verification> {
  refuseUnknownOptions('verify', options, ['progress']);
  const startMs = performance.now();
  const found = (await isRecording(path)) ? await verifyRecording(path, options) : await verifyFrame(path);
  return { ...found, seconds: (performance.now() - startMs) / 1000 };
}

async function verifyRecording(path: string, { progress }: VerifyOptions): Promise<Omit<Verification, 'seconds'>> {
  const survey = await surveyOf(path);
  const check = new RecordingCheck(survey, progress);
  await check.run();
  const snapshots = (await check.snapshots?.finish()) ?? [];
  const findings = [...check.findings, ...check.rollbacks.findings, ...(check.snapshots?.findings ?? [])];
  const ok = findings.every(({ severity }) => severity !== 'damage');
  const [first] = survey.segments.filter(({ about }) => about !== undefined);
  return {
    ok,
    what: 'recording',
    run: survey.about?.run ?? null,
    model: survey.about?.name ?? null,
    firstVersion: first?.firstVersion ?? null,
    lastVersion: check.lastVersion ?? null,
    batches: check.batches,
    segments: survey.count,
    snapshots,
    bytes: check.bytes + (check.snapshots?.bytes ?? 0),
    digest: check.fold?.digest() ?? null,
    proved: provedBy(check, snapshots, { ok, firstVersion: first?.firstVersion ?? 0 }),
    unproved: [...unprovedBy(check, snapshots), ...check.unproved, ...check.rollbacks.unproved],
    findings,
  };
}

function provedBy(
  { batches, lastVersion = 0, closed, initialChecked, fold, survey, rollbacks: { equal: back } }: RecordingCheck,
  snapshots: readonly VerifiedSnapshot[],
  { ok, firstVersion }: { ok: boolean; firstVersion: number },
): string[] {
  const equal = snapshots.filter(({ equalsFold }) => equalsFold).length;
  const versions =
    batches === 0
      ? ''
      : ok
        ? `, versions ${firstVersion}–${lastVersion}`
        : ` between versions ${firstVersion} and ${lastVersion}`;
  return [
    `${counted(batches, 'batch', 'batches')}${versions}, all checks hold`,
    initialChecked ? 'the initial weights have their CRC and their digest' : '',
    closed > 0 ? `${counted(closed, 'segment')} of ${survey.count} closed cleanly` : '',
    equal > 0 ? `${counted(equal, 'snapshot equals', 'snapshots equal')} the fold, to the bit` : '',
    back > 0 ? `${counted(back, 'rollback brings', 'rollbacks bring')} back the state of the version named, to the bit` : '',
    fold === undefined ? '' : `the digest at the end, version ${fold.version}, is ${fold.digest()}`,
  ].filter((sentence) => sentence !== '');
}

function unprovedBy({ fold, broken, initialChecked, survey }: RecordingCheck, snapshots: readonly VerifiedSnapshot[]): string[] {
  const alone = snapshots.filter(({ ok, equalsFold }) => ok && equalsFold === null).map(({ version }) => version);
  const unproved: string[] = [];
  if (fold === undefined) unproved.push('what the recording folds to at its end: no initial weights or snapshot leads there');
  else if (!initialChecked || broken)
    unproved.push(
      `what was folded before version ${fold.start}: the fold begins ${broken ? 'again ' : ''}with the snapshot of that version`,
    );
  if (alone.length > 0)
    unproved.push(`that the snapshots of version ${alone.join(', ')} are the fold: they are sound by themselves`);
  if (!survey.whole && survey.snapshots.length > 0) unproved.push('the snapshots beside it: verify the directory');
  return unproved;
}
