// Who connects, and what all connections of a server share.
import type { Hello } from '../protocol/words.ts';
import type { Standing } from './access/standing.ts';
import type { FeedSource } from './feed.ts';
import type { Intake } from './intake.ts';
import type { JoinContext } from './join.ts';
import type { ServeLimits } from './serve-options.ts';
import type { Tally } from './tally.ts';
import type { WayUp } from './way-up.ts';

/** What all connections of a server share. */
export interface PeerHost extends JoinContext, FeedSource {
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
}
