// Sockets: what reaches replicas and what comes in from workers, beside bare ws, socket.io and NATS.
import type { Report, Scale } from '../report.ts';
import { broadcastTables } from './broadcast.ts';

/** All tables, one after the other. */
export async function sockets(scale: Scale): Promise<Report> {
  return { tables: [...(await broadcastTables(scale))] };
}
