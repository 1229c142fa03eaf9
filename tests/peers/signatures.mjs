// The signing of others, in their own Node packages, behind a small control port.
//
//   node signatures.mjs
//
// Prints {"port": n} once it listens, and ends when its stdin closes. Every request is a POST of JSON:
//
//   /<peer>/sign    {secret, body, at}         at: unix milliseconds     -> {headers}
//   /<peer>/verify  {secret, body, headers}    names in lower case       -> {verified, reason}
//
// <peer> is workos (@workos-inc/node) or standardwebhooks. The WorkOS SDK makes the signature only: the
// header around it is written here, as its verifier takes it apart. It wants the body parsed and writes
// it again to sign it, so bodies are written as JSON.stringify would.

import { createServer } from 'node:http';
import { WorkOS } from '@workos-inc/node';
import { Webhook } from 'standardwebhooks';

const { webhooks } = new WorkOS('sk_of_the_tests');

const peers = {
  workos: {
    sign: async ({ secret, body, at }) => ({
      'WorkOS-Signature': `t=${at}, v1=${await webhooks.computeSignature(at, JSON.parse(body), secret)}`,
    }),
    verify: ({ secret, body, headers }) =>
      webhooks.verifyHeader({ payload: JSON.parse(body), sigHeader: headers['workos-signature'], secret }),
  },
  standardwebhooks: {
    sign: ({ secret, body, at }) => ({
      'webhook-id': `msg_${at}`,
      'webhook-timestamp': String(Math.floor(at / 1000)),
      'webhook-signature': new Webhook(secret).sign(`msg_${at}`, new Date(at), body),
    }),
    verify: ({ secret, body, headers }) => new Webhook(secret).verify(body, headers),
  },
};

const answers = {
  sign: async (peer, told) => ({ headers: await peer.sign(told) }),
  verify: async (peer, told) => {
    try {
      await peer.verify(told);
      return { verified: true, reason: '' };
    } catch (error) {
      if (!/Verification/.test(error.name)) throw error;
      return { verified: false, reason: `${error.name}: ${error.message}` };
    }
  },
};

const read = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
};

const server = createServer(async (request, response) => {
  const reply = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  try {
    const [, peer, what] = request.url.split('/');
    return reply(200, await answers[what](peers[peer], await read(request)));
  } catch (error) {
    console.error(request.url, error);
    return reply(500, { error: String(error?.message ?? error) });
  }
});

process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
