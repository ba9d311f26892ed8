// Recovers the directory that it is given, in a process of its own, and says how long it took and what memory it had.
import { openHistory, recover } from '../../streams/trainer/history.ts';

const rssBefore = process.memoryUsage().rss;
const start = performance.now();
const history = await openHistory({ directory: process.argv[2] });
const from = history.start.version;
const { optimizer } = await recover(history);
const seconds = (performance.now() - start) / 1000;
await history.close();
// in KiB
const rssPeak = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ seconds, folded: optimizer.version - from, rssBefore, rssPeak }));
