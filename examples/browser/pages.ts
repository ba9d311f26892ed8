// What the trainer serves beside the model: two pages, the modules that they import, and digits.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import type { Page, Pages } from 'gradwire/sockets';
import { readDigits } from '../mnist/digits.ts';
import { type Digits, pixelCount } from '../mnist/network.ts';

/** Into how many slices the training digits are cut, one for each tab that trains. */
const slices = 20;

// how many test digits the page that follows is tested with
const testCount = 500;

const require = createRequire(import.meta.url);

/** gradwire's own folder, with the sources of the pages and `dist/`. */
const top = dirname(require.resolve('gradwire/package.json'));

// the packages that the pages take scripts and WebAssembly from; nothing else of node_modules is served
const packages = ['rxjs', '@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'];

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

const bytes = 'application/octet-stream';

// the modules of rxjs are made for bundlers; its script for pages is one file, and this is a module in front of it
const rxjs = `export const { ${Object.keys(require('rxjs')).join(', ')} } = globalThis.rxjs;\n`;

/** The pages: `/draw`, `/train`, and what they ask for. */
export function makePages(): Pages {
  const test = cut(readDigits('test'), 0, testCount);
  const training = readDigits('training');
  const sliceLength = training.count / slices;
  return async (path) => {
    if (['/draw', '/train', '/style.css', '/figures.css'].includes(path))
      return fileOf(join(top, 'examples/browser/page', named(path)));
    if (path === '/digits/test') return { type: bytes, body: test };
    if (path === '/digits/slices') return { type: 'application/json', body: JSON.stringify({ slices, sliceLength }) };
    const slice = /^\/digits\/training\/(\d{1,4})$/.exec(path)?.[1];
    if (slice !== undefined && Number(slice) < slices)
      return { type: bytes, body: cut(training, Number(slice) * sliceLength, sliceLength) };
    if (path === '/rxjs.js') return { type: types['.js'], body: rxjs };
    return moduleOf(path);
  };
}

/** A page's file: `/draw` is draw.html. */
function named(path: string): string {
  return extname(path) === '' ? `${path}.html` : path;
}

/** What is below `/dist/` of gradwire, and below `/node_modules/` of the packages, as built scripts and WebAssembly. */
function moduleOf(path: string): Promise<Page | undefined> | undefined {
  if (!/\.(js|wasm)$/.test(path)) return undefined;
  if (path.startsWith('/dist/')) return fileOf(join(top, path));
  const name = packages.find((each) => path.startsWith(`/node_modules/${each}/`));
  if (name === undefined) return undefined;
  return fileOf(join(dirname(require.resolve(`${name}/package.json`)), path.slice(`/node_modules/${name}`.length)));
}

async function fileOf(path: string): Promise<Page | undefined> {
  try {
    return { type: types[extname(path)], body: await readFile(path) };
  } catch (error) {
    if (['ENOENT', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** So many digits from `start` on: their pixels, then a byte for each label. */
function cut({ pixels, labels }: Digits, start: number, count: number): Uint8Array {
  const part = new Uint8Array(count * (pixelCount + 1));
  part.set(pixels.subarray(start * pixelCount, (start + count) * pixelCount));
  part.set(labels.subarray(start, start + count), count * pixelCount);
  return part;
}
