// What every build of AssemblyScript does: compiles a module, and writes its bytes as base64 into a source.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

// nothing is allocated, and no index is checked twice
const always = ['--runtime', 'stub', '--noAssert', '-O3'];

/** The bytes of the module in a source beside the builder; the process ends where it does not compile. */
export async function compile(builder, source, ...flags) {
  let bytes;
  const baseDir = fileURLToPath(new URL('.', builder));
  const { error, stderr } = await asc.main([source, '--outFile', 'out.wasm', '--baseDir', baseDir, ...always, ...flags], {
    writeFile: (name, contents) => {
      if (name === 'out.wasm') bytes = Buffer.from(contents);
    },
  });
  if (!error) return bytes;
  process.stderr.write(stderr.toString());
  process.exit(1);
}

/** Writes a source with the module's bytes as the constant `name`; `head` is what stands before it, its doc comment last. */
export async function writeModule(target, name, wasm, head) {
  const lines = wasm.toString('base64').match(/.{1,120}/g);
  await writeFile(target, `${head}export const ${name}: string =\n${lines.map((line) => `  '${line}'`).join(' +\n')};\n`);
}
