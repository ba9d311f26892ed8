// A replica process: holds the live weights, says where it stands when asked, and gives its digest at the end.
import { connect } from 'gradwire/sockets';
import { runChild, tell } from '../support/child.ts';
import type { ReplicaMessage, ReplicaQuestion } from './messages.ts';

const [url] = process.argv.slice(2);

runChild(async () => {
  const replica = connect(url);
  await replica.ready;

  async function answer({ type, version }: ReplicaQuestion): Promise<void> {
    if (type === 'where') {
      return tell<ReplicaMessage>({ type: 'position', version: replica.version, lag: Math.max(0, version - replica.version) });
    }
    await replica.reached(version);
    tell<ReplicaMessage>({ type: 'final', version: replica.version, digest: replica.digest() });
  }

  process.on('message', (question: ReplicaQuestion) => void answer(question));
});
