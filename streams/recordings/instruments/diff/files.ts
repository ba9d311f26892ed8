// Two safetensors files compared: their tensors as bits, and what they say about themselves.
import { readFile } from 'node:fs/promises';
import { bytesOf, digestOf } from '../../../../src/digest.ts';
import { deserialize, type Safetensors, type Tensor } from '../../../../src/frames/safetensors.ts';
import { fileError } from '../../disk.ts';
import { type Diff, type Difference, differenceOf } from './finding.ts';
import { Tally } from './tally.ts';

// as many as a snapshot may have
const limits = { headerBytes: 64 << 20, tensors: 100_000 };

/** Compares two safetensors files. Throws `E_FILE`, `E_ST_…`. */
export async function diffFiles(pathA: string, pathB: string): Promise<Diff> {
  const a = await readTensors(pathA);
  const b = await readTensors(pathB);
  const versions = [versionOf(a), versionOf(b)] as const;
  // slots and producers of a snapshot, where the other file has none of them
  const parametersOnly = hasSlots(a) !== hasSlots(b);
  const names = [...new Set([...a.tensors.keys(), ...b.tensors.keys()])].filter(
    (name) => name !== '#windows' && !(parametersOnly && name.includes('#')),
  );
  const layout = names
    .map((name) => shapeDifference(name, a.tensors.get(name), b.tensors.get(name)))
    .find((each) => each !== null);
  const both = names.filter((name) => shapeDifference(name, a.tensors.get(name), b.tensors.get(name)) === null);
  const values = compareAll(both, [a, b], versions[0]);
  const parameters = compareAll(
    both.filter((name) => !name.includes('#')),
    [a, b],
    versions[0],
  );
  const first = layout ?? values;
  const slots = parametersOnly ? ['only one of the files has slots: the parameters alone were compared'] : [];
  const notes = [...slots, ...metadataNotes(a, b), ...windowNotes(a, b)];
  const parametersOfA = both.filter((name) => !name.includes('#')).map((name) => bytesOf(dataOf(a, name)));
  const digest = first === null ? digestOf(...parametersOfA) : null;
  return { of: 'files', equal: first === null, versions, first, parameters, notes, digest };
}

async function readTensors(path: string): Promise<Safetensors> {
  const contents = await readFile(path).catch((cause) => Promise.reject(fileError(path, cause)));
  return deserialize(contents, limits);
}

function versionOf({ metadata }: Safetensors): number | null {
  return /^\d{1,16}$/.test(metadata.version ?? '') ? Number(metadata.version) : null;
}

function hasSlots({ tensors }: Safetensors): boolean {
  return [...tensors.keys()].some((name) => name.includes('#'));
}

function dataOf({ tensors }: Safetensors, name: string): Tensor['data'] {
  return tensors.get(name)?.data ?? new Float32Array();
}

function shapeDifference(name: string, a: Tensor | undefined, b: Tensor | undefined): Difference | null {
  const shapeOf = (tensor: Tensor | undefined) => (tensor === undefined ? null : [tensor.dtype, ...tensor.shape]);
  const [one, other] = [shapeOf(a), shapeOf(b)];
  if (JSON.stringify(one) === JSON.stringify(other)) return null;
  const sameType = a?.dtype === b?.dtype;
  const shown = (tensor: Tensor | undefined) =>
    tensor === undefined ? null : sameType ? tensor.shape : `${tensor.dtype} [${tensor.shape}]`;
  return differenceOf('layout', { version: null, tensor: name, a: shown(a), b: shown(b) });
}

function compareAll(
  names: readonly string[],
  [a, b]: readonly [Safetensors, Safetensors],
  version: number | null,
): Difference | null {
  const tally = new Tally();
  for (const name of names) compareData(tally, name, [dataOf(a, name), dataOf(b, name)]);
  return tally.difference('parameters', version);
}

/** Float32 as bits; other types element by element, small floats by their stored bits. */
function compareData(tally: Tally, name: string, [a, b]: readonly [Tensor['data'], Tensor['data']]): void {
  if (a instanceof Float32Array && b instanceof Float32Array) {
    tally.compare(name, a, b);
    return;
  }
  const size = a.BYTES_PER_ELEMENT;
  const [one, other] = [bytesOf(a), bytesOf(b)];
  for (let i = 0; i < a.length; i++) {
    let same = true;
    for (let j = i * size; j < (i + 1) * size; j++) same &&= one[j] === other[j];
    if (!same) tally.add(name, i, { a: Number(a[i]), b: Number(b[i]), ulps: null });
  }
}

function metadataNotes({ metadata: a }: Safetensors, { metadata: b }: Safetensors): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names
    .filter((name) => a[name] !== b[name])
    .map((name) => `${name} differs: ${short(a[name])} in A, ${short(b[name])} in B`);
}

function short(text: string | undefined): string {
  if (text === undefined) return 'none';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function windowNotes(a: Safetensors, b: Safetensors): string[] {
  const digest = (file: Safetensors): string => digestOf(bytesOf(file.tensors.get('#windows')?.data ?? new Uint8Array()));
  return hasSlots(a) && hasSlots(b) && digest(a) !== digest(b) ? ["the producers' last sequence numbers (#windows) differ"] : [];
}
