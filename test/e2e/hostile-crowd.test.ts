/** More devices than the server has places for, all of them let in by a token that was stolen, beside one that is honest. */
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeHello } from '../../shared/protocol/index.ts';
import { skip } from '../support/data.ts';
import { clientsOf, count, counted, type Stage, setStage, withstand } from './honest-stream.ts';
import { inLanes } from './images.ts';
import { addressOf, masked, open, type Peer, upgrade } from './network-peers.ts';
import { claimOf } from './raw-client.ts';
import { cleanUp, note, waitUntil } from './support.ts';

const stolenToken = 'the-token-that-was-stolen';
/** Devices at once, if the system has as many file descriptors for each side. */
const wantedDevices = 5000;
const spareDescriptors = 500;
/** After this long no more come: on a busy machine thousands of handshakes take minutes. */
const arrivalsMs = 40_000;
/** Above what an idle server and one under honest load differ by, and 24 KiB for each device. */
const maxGrowthBytes = 160 * 1024 * 1024 + wantedDevices * 24 * 1024;

/** Comes, says hello, stays and asks for nothing. A pong now and then shows that it lives. */
async function crowd(stage: Stage, places: number): Promise<void> {
  const tried = Math.ceil(places * 1.05);
  const hello = masked(encodeHello({ agent: 'crowd', token: stolenToken, bundles: [claimOf(stage.folder)] }));
  const pong = Uint8Array.of(0x8a, 0x80, 0, 0, 0, 0);
  const peers: Peer[] = [];
  const alive = setInterval(() => {
    for (const { socket } of peers) if (socket.writable) socket.write(pong);
  }, 2000);
  const until = performance.now() + arrivalsMs;
  let devices = 0;
  try {
    await inLanes(64, tried, async (index) => {
      if (performance.now() > until) return;
      const peer = await open(stage.cloud, addressOf(index), upgrade);
      peer.socket.resume();
      peer.socket.write(hello);
      peers.push(peer);
    });
    let gone = 0;
    for (const { closed } of peers) {
      void closed.then(() => {
        gone++;
      });
    }
    await waitUntil(
      async () => {
        devices = await count(stage.cloud, clientsOf('crowd'));
        return devices + gone >= peers.length;
      },
      'everybody to be welcomed or refused',
      { everyMs: 200, deadlineMs: 60_000 },
    );
    note(
      `${peers.length} of ${tried} came, ${devices} are connected at once, ${gone} were refused or too slow`,
    );
    assert.ok(devices > 0 && devices < places, `${devices} devices beside the honest one`);
  } finally {
    clearInterval(alive);
  }
  if (peers.length === tried) {
    assert.ok(devices >= 0.9 * places, `only ${devices} devices were there at once, of ${places}`);
    assert.ok((await counted(stage, 'TOO_MANY_CONNECTIONS')) > 0, 'those without a place are counted');
  } else {
    skip(`only ${peers.length} of ${tried} devices came within ${arrivalsMs / 1000} s: fewer were withstood`);
  }
  for (const { socket } of peers) socket.destroy();
  const left = async () => (await count(stage.cloud, 'offramp_cloud_connections')) === 1;
  await waitUntil(left, 'the crowd to go', { everyMs: 100 });
}

/** File descriptors that one process may have. */
function descriptors(): number {
  const text = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
}

const hostile = suite('a hostile crowd');
hostile.after.each(cleanUp);

hostile('costs an honest device nothing and the server little memory', async () => {
  if (process.platform !== 'linux')
    return skip('only Linux has more than one loopback address to begin with');
  const places = Math.min(wantedDevices, descriptors() - spareDescriptors);
  note(`${places} places, of ${wantedDevices} wanted`);
  const stage = await setStage(['--max-connections', String(places)], [`crowd ${stolenToken}`]);
  await withstand(stage, { crowd: () => crowd(stage, places) }, maxGrowthBytes);
  assert.is(await stage.edge.stop(), 0);
  assert.is(await stage.cloud.stop(), 0, stage.cloud.stderr());
});

hostile.run();
