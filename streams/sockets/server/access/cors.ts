// Pages of an allowed origin: the headers by which their browser lets them read the answers (CORS).
import type { Exchange } from '../http-reply.ts';

/** Marks the answer as readable for the page that asks; answers the question that its browser asks before, and is then true. */
export function welcomePage({ request, response }: Exchange): boolean {
  const { origin } = request.headers;
  if (origin === undefined || Array.isArray(origin)) return false;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', 'ETag, Retry-After, WWW-Authenticate');
  response.setHeader('Vary', 'Origin');
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
  const allowed = {
    'Access-Control-Allow-Methods': 'GET, HEAD, POST',
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, If-None-Match',
    'Access-Control-Max-Age': '600',
  };
  response.writeHead(204, allowed).end();
  return true;
}
