// A real Jackson (memory engine, loopback only) behind a small control port.
//
//   node jackson.mjs <batch size>       0: one webhook per event, within the SCIM call
//
// Prints {"port": n} once it listens, and ends when its stdin closes. Every request is a POST of JSON:
//
//   /directory  {webhook_url, webhook_secret, type?}                       -> {id, secret}
//   /scim       {directory, method, resourceType, resourceId?, body?}      -> {status, data}
//   /process    {}                        batch mode: drains the queue     -> {sent} once all is delivered
//   /failures   {}                        promises nobody waited for       -> {failures: [text]}
//
// What goes wrong is answered as 500 {error} and also written to stderr.

import { createServer } from 'node:http';
import jackson from '@boxyhq/saml-jackson';

const batchSize = Number(process.argv[2] ?? 0);
const failures = [];
const secrets = new Map(); // directory -> its SCIM secret
const quiet = () => undefined;

process.on('unhandledRejection', (error) => {
  failures.push(String(error?.message ?? error));
  console.error('unhandled rejection:', error);
});

const { directorySyncController: sync } = await jackson.controllers({
  externalUrl: 'http://127.0.0.1',
  samlPath: '/saml',
  db: { engine: 'mem' },
  noAnalytics: true,
  openid: {},
  dsync: batchSize ? { webhookBatchSize: batchSize } : {},
  logger: { info: quiet, warn: quiet, error: (...told) => console.error(...told) },
});

// Jackson's process() starts _process() and does not await it: keep its promise, to wait for the end.
const { batch } = sync.events;
const start = batch._process.bind(batch);
let running = Promise.resolve();
let sent = 0;
batch._process = () => {
  running = start();
  running.catch(quiet); // whoever asked gets it; nobody else need
  return running;
};
const send = batch.send.bind(batch);
batch.send = async (webhook, events) => {
  const answer = await send(webhook, events);
  sent += 1;
  return answer;
};

const routes = {
  '/directory': async ({ webhook_url, webhook_secret, type = 'okta-scim-v2' }) => {
    const { data, error } = await sync.directories.create({
      name: type,
      tenant: 'acme',
      product: `bridge-${secrets.size}`,
      type,
      webhook_url,
      webhook_secret,
    });
    if (error) throw new Error(error.message);
    secrets.set(data.id, data.scim.secret);
    return { id: data.id, secret: data.scim.secret };
  },
  '/scim': async ({ directory, method, resourceType, resourceId, body }) => {
    const { status, data } = await sync.requests.handle({
      method,
      resourceType,
      resourceId,
      body,
      query: {},
      directoryId: directory,
      apiSecret: secrets.get(directory),
    });
    return { status, data: data ?? null };
  },
  '/process': async () => {
    sent = 0;
    await batch.process();
    await running;
    return { sent };
  },
  '/failures': async () => ({ failures }),
};

const read = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
};

const server = createServer(async (request, response) => {
  const reply = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  try {
    const route = routes[request.url];
    if (!route) return reply(404, { error: `no route ${request.url}` });
    return reply(200, await route(await read(request)));
  } catch (error) {
    console.error(request.url, error);
    return reply(500, { error: String(error?.message ?? error) });
  }
});

process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
