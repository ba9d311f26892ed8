// A bundle as a page would load it: what esbuild makes of an entry of the built package, and what of it loads at once.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const top = fileURLToPath(new URL('../..', import.meta.url));

/** One file of a bundle. */
export interface BundledFile {
  readonly name: string;
  readonly text: string;
  readonly gzipBytes: number;
}

/** The files of a bundle: those that load with the entry, and those that load when they are asked for. */
export interface Bundle {
  readonly atOnce: readonly BundledFile[];
  readonly later: readonly BundledFile[];
}

/** Bundles and minifies a module for browsers. Names of packages lead where a bundler takes them. */
export async function bundle(source: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir: top, sourcefile: 'entry.js' },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    outdir: '/bundle',
    absWorkingDir: '/',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const files = outputFiles.map(({ path, text, contents }) => ({
    name: path.slice('/bundle/'.length),
    text,
    gzipBytes: gzipSync(contents, { level: 9 }).byteLength,
  }));
  const needed = new Set<string>();
  const walk = (path: string): void => {
    if (needed.has(path)) return;
    needed.add(path);
    for (const { path: next, kind } of metafile.outputs[path].imports) if (kind === 'import-statement') walk(next);
  };
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) if (entryPoint === 'entry.js') walk(path);
  const isNeeded = ({ name }: BundledFile): boolean => needed.has(`bundle/${name}`);
  return { atOnce: files.filter(isNeeded), later: files.filter((file) => !isNeeded(file)) };
}

/** Bytes of files as a server with gzip sends them. */
export function gzipBytes(files: readonly BundledFile[]): number {
  return files.reduce((sum, file) => sum + file.gzipBytes, 0);
}
