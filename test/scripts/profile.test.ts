/** What a bundle costs here, measured with real segments and processes, and how that is kept in a file. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../scripts/calibrate/random.ts';
import {
  measureProfile,
  parseCostProfile,
  profileText,
  recordedStreams,
  sampler,
  standIns,
} from '../../scripts/profile/index.ts';
import { lineOf } from '../../scripts/profile/segment-times.ts';
import { findBundle } from '../../scripts/project.ts';
import { openBundle } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';

const Parts = suite('parts of a profile');

Parts('a line goes through batches that lie on it, and never costs less than nothing', () => {
  const samples = [1, 2, 8, 32].flatMap((rows) => [0, 1, 2].map(() => ({ rows, ms: 0.5 + 0.25 * rows })));
  const { fixedMs, perRowMs, spread } = lineOf(samples);
  assert.ok(Math.abs(fixedMs - 0.5) < 1e-9 && Math.abs(perRowMs - 0.25) < 1e-9, `${fixedMs} + ${perRowMs} n`);
  assert.ok(spread.every((factor) => Math.abs(factor - 1) < 1e-9));
  const quicker = lineOf([1, 2, 4].map((rows) => ({ rows, ms: 4 / rows })));
  assert.ok(quicker.perRowMs === 0 && quicker.fixedMs > 0);
});

Parts('stand-ins are quantiles from the least to the largest, and draws lie between them', () => {
  const numbers = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(numbers, fc.nat(), (samples, seed) => {
      const kept = standIns(samples, 11);
      assert.is(kept[0], Math.min(...samples));
      assert.ok(Math.abs((kept[10] ?? 0) - Math.max(...samples)) < 1e-6);
      const draw = sampler(kept, seededRandom(seed));
      for (let index = 0; index < 20; index++) {
        const drawn = draw();
        assert.ok(drawn >= (kept[0] ?? 0) - 1e-9 && drawn <= (kept[10] ?? 0) + 1e-6, `${drawn}`);
      }
    }),
  );
});

Parts.run();

const Profile = suite('a profile');

Profile(
  'has times of every segment, bytes of every image at every rate, and comes back from its text',
  async () => {
    const folder = findBundle('b-lenet-mnist');
    const bundle = await openBundle(bundleFolder(folder));
    const measured = await measureProfile({
      ...{ bundleFolder: folder, dataFolder: undefined, timed: 10, pauseMs: 0, batches: 3, recorded: 8 },
      onProgress: () => {},
    });
    const profile = parseCostProfile(profileText(measured), 'mine.json');
    assert.equal([profile.bundle, profile.digest], [bundle.manifest.id, bundle.digest]);
    const lists = [
      ...profile.device.segmentMs,
      profile.device.callMs,
      profile.cloud.aroundMs,
      profile.cloud.decodeMs,
    ];
    assert.is(profile.device.segmentMs.length, bundle.manifest.segments.length);
    for (const list of lists) {
      assert.ok(
        list.every((ms, index) => ms >= (list[index - 1] ?? 0)),
        'ascending',
      );
      assert.ok((list.at(-1) ?? 0) > 0);
    }
    const streams = recordedStreams(profile);
    assert.is(streams?.picture.length, 8);
    const rates = bundle.manifest.cuts.flatMap(({ rates: own }, index) => {
      const all = bundle.manifest.segments[index]?.codes?.shape[0] ?? 0;
      return [...new Set([...(own ?? []).map(({ channels }) => channels), all])].map((channels) => [
        index + 1,
        channels,
      ]);
    });
    assert.equal(
      streams?.streams.map(({ cut, channels }) => [cut, channels]),
      rates,
    );
    for (const { bytes, ends, cut } of streams?.streams ?? []) {
      assert.ok(Array.from(bytes).every((count) => count > 2 && count <= bundle.codec(cut).maxBytes));
      assert.ok(ends === undefined || Array.from(ends.exits).every((exit) => exit >= cut));
    }
  },
);

Profile('that is none is refused with the field', () => {
  const codeOf = (text: string) => {
    try {
      parseCostProfile(text, 'mine.json');
    } catch (thrown) {
      const { code, message } = OfframpError.from(thrown);
      return `${code} ${message}`;
    }
    return 'none';
  };
  assert.match(codeOf('{'), /^CONFIG_INVALID mine.json is not JSON/);
  assert.match(codeOf('{"schemaVersion": 2}'), /^CONFIG_INVALID mine.json: /);
});

Profile.run();
