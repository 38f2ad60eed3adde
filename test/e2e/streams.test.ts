/** Streams that were damaged on their way to a server, of every bundle at every cut: refused by code, and nobody else is harmed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { bundleFolders, pictureFor } from '../models/bundles.ts';
import { runSegments } from '../models/run-segments.ts';
import { segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { describe, RawClient } from './raw-client.ts';
import { cleanUp, type Server, startServer } from './support.ts';

const budgetMs = 60_000;

/** The stream of one picture at each cut, cut 1 first. */
async function streamsOf(bundle: Bundle): Promise<Uint8Array[]> {
  const pool = await startPool(segmentGraphs(bundle));
  const { codes } = await runSegments(pool, bundle, [pictureFor(bundle.manifest, 5)]).finally(() =>
    pool.close(),
  );
  return codes.map((tensor, index) => bundle.codec(index + 1).encode(tensor));
}

/** Copies of a stream with one fault each. */
function damaged(stream: Uint8Array): Uint8Array[] {
  const middle = stream.length >> 1;
  return [
    stream.with(middle, (stream[middle] ?? 0) ^ 0x04),
    stream.with(0, (stream[0] ?? 0) ^ 0x80),
    stream.subarray(0, -1),
    stream.subarray(0, 1),
    new Uint8Array(0),
    new Uint8Array([...stream, ...new Uint8Array(4096)]),
  ];
}

/** What the server makes of rows at a cut, in words. */
async function replyTo(client: RawClient, cut: number, rows: readonly Uint8Array[]): Promise<string> {
  client.send(client.infer(cut, rows, budgetMs));
  return describe(await client.next());
}

async function assertRefused(cloud: Server, folder: string): Promise<void> {
  const bundle = await openBundle(bundleFolder(folder));
  const client = await RawClient.greet(cloud.wsUrl, folder);
  for (const [index, stream] of (await streamsOf(bundle)).entries()) {
    const cut = index + 1;
    for (const [fault, bytes] of damaged(stream).entries()) {
      const what = `${bundle.manifest.id}, cut ${cut}, fault ${fault}`;
      assert.match(await replyTo(client, cut, [bytes]), /^CODES_CORRUPT: stream: got /, what);
      assert.match(
        await replyTo(client, cut, [stream, bytes]),
        /^CODES_CORRUPT: /,
        `${what}, beside a good one`,
      );
    }
    assert.is(await replyTo(client, cut, [stream, stream]), 'result', `cut ${cut}: the connection goes on`);
  }
  const { length: segments } = bundle.manifest.segments;
  const beyond = await replyTo(client, segments, [new Uint8Array(2)]);
  assert.match(beyond, new RegExp(`^CUT_UNSUPPORTED: .*${segments}`));
  await client.close();
}

const streams = suite('damaged streams');
streams.after(cleanUp);

streams('are refused at every cut of every bundle, and the connection goes on', async () => {
  const cloud = await startServer(
    'cloud',
    bundleFolders.flatMap(({ folder }) => ['--bundle', folder]),
  );
  for (const { folder } of bundleFolders) await assertRefused(cloud, folder);
});

streams.run();
