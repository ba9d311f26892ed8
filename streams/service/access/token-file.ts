// Files with secrets: read anew when they change, and warned of where others can read them.
import { readFileSync, statSync } from 'node:fs';
import { GradwireError, quote } from '../../../src/errors.ts';
import type { Token } from '../../sockets/index.ts';
import { warn } from '../output.ts';
import { tokensIn } from './token-lines.ts';

/** The text of a file. Warns where it holds a secret and every user of the machine can read it. Throws `E_FILE`. */
export function readSecret(path: string, { secret = true }: { secret?: boolean } = {}): string {
  try {
    const { mode } = statSync(path);
    if (secret && (mode & 0o004) !== 0) warn(`${path} can be read by everybody on this machine; chmod 600 it`);
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new GradwireError('E_FILE', `cannot read ${quote(path)}: ${why}`, { cause });
  }
}

/**
 * The tokens of a file, as a function that gives the current ones: the file is read again when it has changed. One that can no
 * longer be read, or has a broken line, is warned of once, and the tokens from before go on.
 *
 * @throws GradwireError `E_FILE` or `E_CONFIG` for the file as it is now.
 */
export function watchTokens(path: string): () => readonly Token[] {
  let state = stateOf(path);
  let tokens = tokensIn(readSecret(path), path);
  return () => {
    const now = stateOf(path);
    if (now === state) return tokens;
    state = now;
    try {
      tokens = tokensIn(readSecret(path), path);
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      warn(`the tokens from before go on: ${error.message}`);
    }
    return tokens;
  };
}

/** What changes with a file's content; empty where there is no file. */
function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
}
