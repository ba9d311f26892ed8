// Whether a path is a recording, or another file: safetensors, mostly.
import { open, stat } from 'node:fs/promises';
import { fileError } from '../disk.ts';

const magic = '\x89MCAP';

/** Whether a path is a directory, or a file that begins or is named as a recording. Throws `E_FILE`. */
export async function isRecording(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory() || path.endsWith('.mcap')) return true;
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(magic.length), 0, magic.length, 0);
      return buffer.subarray(0, bytesRead).toString('latin1') === magic;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw fileError(path, cause);
  }
}
