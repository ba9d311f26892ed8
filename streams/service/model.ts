// A model from a file: names and shapes in JSON, or a safetensors file whose values are the initial parameters.
import { readFile } from 'node:fs/promises';
import { GradwireError, quote } from '../../src/errors.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import { parametersIn } from '../../src/frames/weights.ts';
import { type Layout, layout, type Shapes } from '../../src/layout.ts';

/** A model read: its layout, and its parameters where the file has them. */
export interface ModelFile {
  readonly layout: Layout;
  readonly initial: Record<string, Float32Array> | undefined;
}

/** Reads a model file. Throws `E_FILE`, `E_LAYOUT`, `E_ST_…` or `E_DTYPE`. */
export async function readModel(path: string): Promise<ModelFile> {
  const contents = await readBytes(path);
  if (isText(contents)) return { layout: shapesIn(path, contents), initial: undefined };
  const parameters = parametersIn(deserialize(contents, { headerBytes: 64 << 20 }));
  refuseEmpty(path, parameters.layout);
  return { layout: parameters.layout, initial: Object.fromEntries(parameters) };
}

/** A file's bytes, or `E_FILE`. */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new GradwireError('E_FILE', `cannot read ${quote(path)}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, {
      cause,
    });
  }
}

// a safetensors buffer starts with a 64-bit length, whose high bytes are zero; JSON has no zero bytes
function isText(contents: Buffer): boolean {
  return !contents.subarray(0, 8).includes(0);
}

function shapesIn(path: string, contents: Buffer): Layout {
  let shapes: unknown;
  try {
    shapes = JSON.parse(contents.toString('utf8'));
  } catch (cause) {
    throw new GradwireError('E_FILE', `${quote(path)} is no JSON: ${(cause as Error).message}`, { cause });
  }
  const model = layout(shapes as Shapes);
  refuseEmpty(path, model);
  return model;
}

function refuseEmpty(path: string, { tensors }: Layout): void {
  if (tensors.length === 0) throw new GradwireError('E_LAYOUT', `${quote(path)} names no tensors`);
}
