import { type Point, renderChart } from '../../plot/index.ts';
import type { RateCurve } from './rate-curve.ts';
import type { Figures } from './tally.ts';
import { verdictLine, verdictWords } from './verdict-words.ts';

/** The curve as an SVG document: accuracy of the last exit against mean bytes per image, of stream or file alone. */
export function plotRateCurve(curve: RateCurve): string {
  const { bundle, version, dataset, split, images, cut, rates, webp, uncompressed, verdict } = curve;
  const subject = `${images.toLocaleString('en')} ${split} images of ${dataset}, all sent`;
  return renderChart({
    id: `rates-${bundle.replaceAll('.', '-')}-cut${cut}`,
    title: `${bundle} ${version}, cut ${cut}: ${subject}`,
    subtitle: verdictLine(verdict.bytes),
    description: verdictWords(verdict.bytes).join(' '),
    x: { label: 'mean bytes per image, stream or WebP file alone, without frames', scale: 'log' },
    y: { label: 'accuracy of the last exit (%)' },
    series: [
      { kind: 'guide', name: 'raw pixels', tone: 'grey', axis: 'y', at: uncompressed.accuracy * 100 },
      {
        kind: 'line',
        name: `WebP, ${webp.settings}`,
        tone: 'orange',
        stroke: 'dashed',
        marks: 'square',
        points: webp.points.map((sent, index) => {
          const isEnd = index === 0 || index === webp.points.length - 1;
          return {
            ...pointOf(sent, `quality ${sent.quality}`),
            ...(isEnd && { label: `q ${sent.quality}` }),
          };
        }),
      },
      {
        kind: 'line',
        name: 'codes, by channels sent',
        tone: 'blue',
        marks: 'dot',
        points: rates.map((sent) => {
          return { ...pointOf(sent, `${sent.channels} channels`), label: String(sent.channels) };
        }),
      },
    ],
  });
}

function pointOf({ bytes, accuracy }: Figures, what: string): Point {
  const percent = accuracy * 100;
  return {
    x: bytes.mean,
    y: percent,
    hint: `${what}: ${bytes.mean.toFixed(1)} bytes, ${percent.toFixed(2)} %`,
  };
}
