// A single safetensors file verified: its structure, and the check or digest that a frame of its kind carries.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { digestOf } from '../../../../src/digest.ts';
import { GradwireError } from '../../../../src/errors.ts';
import { deserialize } from '../../../../src/frames/safetensors.ts';
import { readWeights } from '../../../../src/frames/weights.ts';
import { fileError } from '../../disk.ts';
import type { Finding, Verification, VerifiedSnapshot } from './findings.ts';
import { checkSnapshot } from './snapshots.ts';

/** What a frame's checks came to. */
type Checked = Pick<Verification, 'what' | 'run' | 'model' | 'lastVersion' | 'digest' | 'proved' | 'unproved'> & {
  readonly snapshots: readonly VerifiedSnapshot[];
};

const nothing = { run: null, model: null, lastVersion: null, digest: null, snapshots: [] };
const limits = { headerBytes: 64 << 20, tensors: 1_000_000 };

/** Verifies a safetensors file. Throws `E_FILE`. */
export async function verifyFrame(path: string): Promise<Omit<Verification, 'seconds'>> {
  const bytes = await readFile(path).catch((cause) => Promise.reject(fileError(path, cause)));
  const findings: Finding[] = [];
  const common = { firstVersion: null, batches: 0, segments: 0, bytes: bytes.byteLength };
  try {
    return { ok: true, ...checkFrame(bytes, path), ...common, findings };
  } catch (error) {
    if (!(error instanceof GradwireError)) throw error;
    findings.push({ severity: 'damage', file: basename(path), code: error.code, text: error.text });
    return { ok: false, what: whatIs(bytes), ...nothing, ...common, proved: [], unproved: [], findings };
  }
}

function checkFrame(bytes: Uint8Array, path: string): Checked {
  const file = deserialize(bytes, limits);
  const { metadata } = file;
  const { kind } = metadata;
  const ours = isOurs(metadata);
  const what = whatIs(bytes);
  if (ours && kind === 'snapshot') {
    const { run, model, version, parameters } = checkSnapshot(bytes, path, undefined);
    const { digest } = metadata;
    const proved = [
      `the check of its metadata and values, its header, and the digest of its ${parameters.layout.length} parameters hold`,
    ];
    const unproved = ['whether it is the fold of its recording: verify the directory'];
    return {
      what,
      run,
      model,
      lastVersion: version,
      digest,
      snapshots: [{ version, ok: true, equalsFold: null }],
      proved,
      unproved,
    };
  }
  if (ours && kind === 'weights') {
    const { header, digest, weights } = readWeights(file);
    const proved = [`the digest of its ${weights.layout.length} parameters holds`];
    const unproved = ['its names and metadata, which a weights frame has no check for'];
    return { ...nothing, what, run: header.run, model: header.model, lastVersion: header.version, digest, proved, unproved };
  }
  if (ours && metadata.check !== undefined) {
    if (digestOf(file.data) !== metadata.check)
      throw new GradwireError('E_CHECK', 'its bytes do not have the check that it states');
    return {
      ...nothing,
      what,
      proved: ['the check of its values holds'],
      unproved: ['its names and metadata, which have no check'],
    };
  }
  const unproved = ['its values and names, for which it carries no check'];
  return { ...nothing, what, proved: ['its structure is that of a safetensors file'], unproved };
}

function whatIs(bytes: Uint8Array): string {
  try {
    const { metadata } = deserialize(bytes, limits);
    return isOurs(metadata) ? `${metadata.kind} frame` : 'safetensors';
  } catch {
    // what it is cannot be said
    return 'safetensors';
  }
}

/** Whether a file is a frame: by its format, or by its checks where that is what is damaged. */
function isOurs({ gradwire, kind, check, digest }: Readonly<Record<string, string | undefined>>): boolean {
  return gradwire !== undefined || (kind !== undefined && (check ?? digest) !== undefined);
}
