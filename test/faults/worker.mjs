// A worker to be killed: it pushes without a pause under the name it is given, and tells of its epoch and of each ack.
import { connect } from 'gradwire/sockets';

const [url, producer] = process.argv.slice(2);
process.once('disconnect', () => process.exit(1));
const worker = connect(url, { role: 'worker', producer });
await worker.ready;

async function push() {
  for (;;) {
    const gradients = { bias: Float32Array.from({ length: 64 }, () => Math.random() - 0.5) };
    const { version, duplicate } = await worker.push({ gradients });
    process.send({ version, duplicate });
  }
}
for (let i = 0; i < 8; i++) void push();
