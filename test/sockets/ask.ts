// One HTTP request at a time, over a connection of its own, as curl or a script would make it.
import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';

/** An answer, whole. */
export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly json: Record<string, unknown>;
}

/** What is asked. */
export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
}

/** One request over a connection of its own. */
export async function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Got> {
  const asking = request({ port, host: '127.0.0.1', path, method, headers, agent: false });
  asking.end(body);
  const [response] = await once(asking, 'response');
  const chunks: Buffer[] = await response.toArray();
  const bytes = Buffer.concat(chunks);
  const isJson = String(response.headers['content-type']).includes('json') && bytes.byteLength > 0;
  return { status: response.statusCode, headers: response.headers, bytes, json: isJson ? JSON.parse(bytes.toString()) : {} };
}

/** What comes back for these bytes, until the server ends the connection. */
export async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(text);
  let got = '';
  socket.on('data', (chunk) => (got += chunk));
  await once(socket, 'close');
  return got;
}
