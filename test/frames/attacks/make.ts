// Writes the attack files again: `node --import tsx test/frames/attacks/make.ts`. The tests hold them to the table byte for byte.
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { attacks } from './attacks.ts';

const folder = new URL('.', import.meta.url);
for (const file of readdirSync(folder)) {
  if (file.endsWith('.safetensors')) rmSync(new URL(file, folder));
}
for (const { file, bytes } of attacks) writeFileSync(new URL(`${file}.safetensors`, folder), bytes);
