// `npm run size`: prints the sizes of the browser build, and fails where it has grown beyond its limit. It needs `npm run build`.
import { mostBytes, sizes } from './sizes.ts';

const { replica, withRxjs, worker } = await sizes();
const fits = replica <= mostBytes;
console.log(
  `gradwire/sockets in a browser, gzip: ${replica} bytes of ${mostBytes}${fits ? '' : ': too large'}; with rxjs ${withRxjs}, with pushes too ${worker}`,
);
process.exitCode = fits ? 0 : 1;
