// A test's program as one file, so that it starts in a fraction of a second: some tests start it hundreds of times.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Bundler {
  buildSync(options: object): void;
}

// the bundler that tsx brings along
const bundler = createRequire(createRequire(import.meta.url).resolve('tsx'))('esbuild') as Bundler;
const banner = "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);";
const folders: string[] = [];

/** Bundles a program of this folder with its imports; gives the file that Node runs. */
export function bundle(program: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gradwire-bundle-'));
  folders.push(folder);
  const outfile = join(folder, program.replace(/\.ts$/, '.mjs'));
  const entryPoints = [fileURLToPath(new URL(program, import.meta.url))];
  bundler.buildSync({
    entryPoints,
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: banner },
    logLevel: 'error',
  });
  // the library reads its own version
  mkdirSync(join(folder, 'node_modules', 'gradwire'), { recursive: true });
  cpSync(new URL('../../package.json', import.meta.url), join(folder, 'node_modules', 'gradwire', 'package.json'));
  return outfile;
}

/** Removes what was bundled; for `test.after`. */
export function removeBundles(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
