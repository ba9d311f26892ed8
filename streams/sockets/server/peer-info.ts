// What a status page shows of a connection. In a file of its own, so that the package's types do not need those of ws.
import type { Role } from '../protocol/words.ts';

/** A connection as a status page shows it. */
export interface PeerInfo {
  readonly role: Role;
  readonly producer: string | null;
  /** The name of its token, null where it has none. */
  readonly name: string | null;
  /** The newest version sent. */
  readonly version: number;
  /** Versions that it still lacks. */
  readonly lag: number;
  /** Bytes that wait in this process. */
  readonly bufferedAmount: number;
}
