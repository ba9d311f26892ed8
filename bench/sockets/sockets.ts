// Sockets: what reaches replicas and what comes in from workers, beside bare ws, socket.io and NATS.
import type { Report, Scale } from '../report.ts';
import { broadcastTables } from './broadcast.ts';
import { costTable } from './cost.ts';
import { ingestTable } from './ingest.ts';
import { latencyTable } from './latency.ts';
import { neighboursTable } from './neighbours.ts';

/** All tables, one after the other. */
export async function sockets(scale: Scale): Promise<Report> {
  const tables = [
    ...(await broadcastTables(scale)),
    await ingestTable(scale),
    await latencyTable(scale),
    await neighboursTable(scale),
    await costTable(scale),
  ];
  return { tables };
}
