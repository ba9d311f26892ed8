// Which release writes: the name in a segment's MCAP header, and once more in its metadata, which have a check.
import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('gradwire/package.json') as { version: string };

/** The library's name and version. */
export const library: string = `gradwire ${version}`;
