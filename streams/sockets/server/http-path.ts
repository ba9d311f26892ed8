// The path of a request: taken apart, and shown.
import { quote } from '../../../src/errors.ts';

/** A path as a message shows it: without the query, which may hold what nobody should see. */
export function shownPath(url: string | undefined): string {
  return quote((url ?? '').split('?', 1)[0]);
}

/** The parts of a path, decoded; undefined where it is none. */
export function segmentsOf(url: string | undefined): string[] | undefined {
  const [path] = (url ?? '').split('?', 1);
  if (!path.startsWith('/')) return undefined;
  try {
    return path.slice(1).split('/').map(decodeURIComponent);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
