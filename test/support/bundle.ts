// A bundle as a page would load it: what esbuild makes of a module that names the built package.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const top = fileURLToPath(new URL('../..', import.meta.url));

const settings = {
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  absWorkingDir: top,
  write: false,
  logLevel: 'silent',
} as const satisfies BuildOptions;

// a worker's pushes load when somebody asks for a worker; what loads at once is what a replica loads
const withoutLate: Plugin = {
  name: 'without what loads late',
  setup: ({ onResolve }) => {
    onResolve({ filter: /.*/ }, ({ kind }) => (kind === 'dynamic-import' ? { external: true } : undefined));
  },
};

/** What of it is left out. */
export interface BundleOptions {
  /** Only what loads at once. */
  readonly atOnce?: boolean;
  /** Packages that the page has anyway. */
  readonly external?: readonly string[];
}

/** One module with everything in it, for a page. Names of packages lead where a bundler takes them. */
export async function bundle(source: string, { atOnce = false, external = [] }: BundleOptions = {}): Promise<string> {
  const stdin = { contents: source, resolveDir: top, sourcefile: 'entry.js' };
  const { outputFiles } = await build({ ...settings, stdin, external: [...external], plugins: atOnce ? [withoutLate] : [] });
  return outputFiles[0].text;
}

/** Bytes of a text as a server with gzip sends it. */
export function gzipBytes(text: string): number {
  return gzipSync(text, { level: 9 }).byteLength;
}
