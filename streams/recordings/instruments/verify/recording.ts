// A recording verified: every segment in order, the fold of all of them, and the snapshots beside them.
import { basename } from 'node:path';
import { GradwireError } from '../../../../src/errors.ts';
import { deserialize } from '../../../../src/frames/safetensors.ts';
import { decodeSnapshot } from '../../../../src/frames/snapshot.ts';
import { readWeights } from '../../../../src/frames/weights.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { fencedFromOf } from '../../history/fenced.ts';
import { BadPlace } from '../../segment/bad-place.ts';
import { Ending } from './ending.ts';
import type { Finding } from './findings.ts';
import { Fold } from './fold.ts';
import type { CheckedRecord } from './records.ts';
import { RollbackChecks } from './rollbacks.ts';
import { SegmentCheck } from './segment.ts';
import { SnapshotChecks } from './snapshots.ts';
import type { Survey, SurveyedSegment } from './survey.ts';

/** A recording while it is verified. */
export class RecordingCheck {
  readonly survey: Survey;
  readonly findings: Finding[];
  /** Of sound batches. */
  batches = 0;
  /** Bytes of segments read. */
  bytes = 0;
  /** Segments that were read to an end that holds. */
  closed = 0;
  /** The last version that was read; undefined where no head was. */
  lastVersion: number | undefined;
  initialChecked = false;
  fold: Fold | undefined;
  /** Whether the fold was begun again behind something that does not hold. */
  broken = false;
  readonly snapshots: SnapshotChecks | undefined;
  readonly rollbacks: RollbackChecks;
  readonly unproved: string[] = [];
  #payloadsUnproved = 0;
  // bytes of the segments that are done
  #before = 0;
  // what must come next; undefined behind something that does not hold
  #expected: number | undefined;
  readonly #progress: ((progress: ReadProgress) => void) | undefined;

  constructor(survey: Survey, progress?: (progress: ReadProgress) => void) {
    this.survey = survey;
    this.findings = [...survey.findings];
    this.#progress = progress;
    this.rollbacks = new RollbackChecks(survey);
    this.snapshots = survey.about && new SnapshotChecks(survey.directory, survey.about, survey.whole ? survey.snapshots : []);
  }

  /** Reads everything. Throws `E_FILE`. */
  async run(): Promise<void> {
    const { segments, count } = this.survey;
    for (const [i, segment] of segments.slice(0, count).entries()) await this.#segment(segment, i);
    if (this.lastVersion !== undefined) await this.#goOn(this.lastVersion);
    if (this.#payloadsUnproved > 0)
      this.unproved.push(`the payload hash of ${this.#payloadsUnproved} batches: their senders wrote another form of header`);
    const newest = this.survey.snapshots.at(-1) ?? 0;
    const short = this.#expected !== undefined && count === segments.length && newest >= this.#expected;
    if (short)
      this.#gap(
        segments[count - 1].path,
        `the recording ends at version ${Number(this.#expected) - 1}, the newest snapshot is of version ${newest}`,
      );
  }

  async #segment(segment: SurveyedSegment, i: number): Promise<void> {
    const ending = new Ending(this.survey, i);
    const fencedFrom = fencedFromOf(this.survey.segments, i);
    let check: SegmentCheck | undefined;
    try {
      check = await SegmentCheck.open(segment.path);
      await this.#begin(check);
      for await (const record of check.records()) {
        if (record.stamp.version < fencedFrom) await this.#take(record, segment.path);
        this.#tell(check.bytes);
      }
      this.#expected = Math.min(check.version, fencedFrom);
      if (check.version > fencedFrom) this.findings.push(fenced(segment.path, fencedFrom));
      this.closed += check.closed && check.cutOff === undefined ? 1 : 0;
      this.findings.push(...ending.findingsOf(check));
      this.unproved.push(...ending.unprovedOf(check));
    } catch (error) {
      const version = check?.version ?? segment.firstVersion;
      const finding = await ending.judge(error, { version, soundUpTo: check?.soundUpTo ?? 0 });
      this.findings.push(finding);
      this.#expected = finding.severity === 'torn' ? version : undefined;
    }
    if (check !== undefined) this.lastVersion = Math.min(check.version, fencedFrom) - 1;
    this.#payloadsUnproved += check?.payloadsUnproved ?? 0;
    this.bytes += check?.bytes ?? 0;
    this.#before += segment.bytes;
    this.#tell(0);
  }

  /** The segment's place in the run, and the fold's start where it is the first. */
  async #begin({ about, head, path }: SegmentCheck): Promise<void> {
    const { firstVersion } = about;
    if (this.#expected !== undefined && firstVersion !== this.#expected) {
      const text = `it begins at version ${firstVersion}, the segments before it end at ${this.#expected - 1}`;
      if (firstVersion > this.#expected) this.#gap(path, text);
      else
        this.findings.push({
          severity: 'damage',
          file: basename(path),
          version: firstVersion,
          code: 'E_RECORDING_CORRUPT',
          text,
        });
    }
    this.lastVersion = firstVersion - 1;
    const [attached] = head.attachments;
    if (attached === undefined || this.fold !== undefined) return;
    this.initialChecked = firstVersion === 1;
    this.fold =
      firstVersion === 1
        ? Fold.fromInitial(about, readWeights(deserialize(attached.data)).weights)
        : Fold.fromSnapshot(about, decodeSnapshot(attached.data));
    await this.snapshots?.compare(this.fold);
  }

  async #take(record: CheckedRecord, path: string): Promise<void> {
    const { version } = record.stamp;
    this.batches += 1;
    await this.rollbacks.check(record, path);
    await this.#goOn(version - 1);
    if (this.fold === undefined) return;
    try {
      this.fold.step(record);
    } catch (error) {
      const reason = error instanceof GradwireError ? error.message : String(error);
      throw new BadPlace(`version ${version} cannot be folded: ${reason}`, 0);
    }
    await this.snapshots?.compare(this.fold);
  }

  /** Makes sure that the fold stands at a version: where it does not, a snapshot of that version begins it again. */
  async #goOn(version: number): Promise<void> {
    if (this.fold?.version === version) return;
    this.broken ||= this.fold !== undefined;
    const { about } = this.survey;
    const snapshot = await this.snapshots?.take(version);
    this.fold = snapshot && about && Fold.fromSnapshot(about, snapshot);
  }

  #gap(path: string, text: string): void {
    this.findings.push({ severity: 'damage', file: basename(path), code: 'E_RECORDING_GAP', text });
  }

  #tell(bytes: number): void {
    const { segments, count } = this.survey;
    const totalBytes = segments.slice(0, count).reduce((sum, each) => sum + each.bytes, 0);
    this.#progress?.({ bytes: this.#before + bytes, totalBytes, version: this.lastVersion ?? 0 });
  }
}

function fenced(path: string, version: number): Finding {
  const text = `from version ${version} on its trainer wrote after another had taken over; none of that was acknowledged, and it does not count`;
  return { severity: 'note', file: basename(path), version, text };
}
