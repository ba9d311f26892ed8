// Who connects, and what all connections of a server share.
import { type CloseCode, closeCodes, closeReason } from '../protocol/close-codes.ts';
import type { Hello } from '../protocol/words.ts';
import type { Standing } from './access/standing.ts';
import type { FeedSource, Scope } from './feed.ts';
import type { Intake } from './intake.ts';
import { hasNoEpochLeft, type JoinContext } from './join.ts';
import type { ServeLimits } from './serve-options.ts';
import type { Subset } from './subset.ts';
import type { Tally } from './tally.ts';
import type { WayUp } from './way-up.ts';

/** What all connections of a server share. */
export interface PeerHost extends JoinContext, Scope {
  /** What recorders are fed from. */
  readonly records: FeedSource;
  readonly intake: Intake;
  readonly limits: ServeLimits;
  readonly tally: Tally;
}

/** Who has connected: what the hello says, and what its token allows. */
export interface Guest {
  readonly hello: Hello;
  readonly standing: Standing;
  /** Where its batches go up, at a relay. */
  readonly wayUp?: WayUp | undefined;
  /** The tensors that it follows; all of them where it is not there. */
  readonly scope?: Subset | undefined;
}

/** Why a client is not let in, as its connection's close; undefined where it is. */
export function refuseGuest({ hello, standing }: Guest, host: PeerHost): [code: CloseCode, reason: string] | undefined {
  const { ending } = standing;
  if (ending !== undefined) {
    host.tally.refused(ending.barrier);
    return [ending.code, closeReason(ending.reason)];
  }
  const forbidden = (text: string): [CloseCode, string] => [closeCodes.forbidden, text];
  if (hello.role === 'recorder' && host.served.snapshotFrame === undefined)
    return forbidden('E_FORBIDDEN: no records are given here; tap a trainer that gives them');
  if (hasNoEpochLeft(hello, host))
    return forbidden('E_PRODUCER_FENCED: this producer has used the last epoch; take another name');
  return undefined;
}
