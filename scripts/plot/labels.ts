import { type Box, type Pixel, type Plane, textWidth, toPixels } from './layout.ts';
import { fontPixels } from './style.ts';
import { element, textElement } from './svg.ts';

export interface LabelRequest {
  /** The point to be named, in the units of the axes. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
  /** Half the width of the point's mark, pixels. */
  readonly radius: number;
}

export interface PlacedLabel {
  readonly text: string;
  readonly box: Box;
  /** Line from the label to its point, when it lies too far off to be taken for its own. */
  readonly leader?: Leader;
}

interface Leader {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

const height = fontPixels.label * 1.25;
/** Distances from the mark that are tried, pixels. */
const distances = [4, 12, 26, 44, 70, 100] as const;
/** From here on a line leads to the point. */
const leaderFrom = 20;
/** Directions that are tried, the more usual first; y downwards. */
const directions = [
  [1, 0],
  [1, 1],
  [1, -1],
  [0, -1],
  [0, 1],
  [-1, 0],
  [-1, -1],
  [-1, 1],
] as const;
/** How much worse covering one thing is than another, per square pixel. */
const weights = { outside: 100, label: 10, taken: 1 } as const;
/** Square pixels of cover that a label would rather have than move one distance further. */
const costOfDistance = 60;

/** Finds a place for every label, in their order, where it covers least: the edge of the plot, earlier labels, what is drawn. */
export function placeLabels(
  requests: readonly LabelRequest[],
  plane: Plane,
  taken: readonly Box[],
): PlacedLabel[] {
  const placed: PlacedLabel[] = [];
  for (const request of requests) {
    const candidates = candidatesOf(request, plane);
    const costs = candidates.map(({ label, cost }) => {
      const others = placed.map(({ box }) => overlap(label.box, box)).reduce(add, 0);
      const covered = taken.map((box) => overlap(label.box, box)).reduce(add, 0);
      const outside = area(label.box) - overlap(label.box, plane.plot);
      return cost + outside * weights.outside + others * weights.label + covered * weights.taken;
    });
    const best = candidates[costs.indexOf(Math.min(...costs))];
    if (best !== undefined) placed.push(best.label);
  }
  return placed;
}

/** Labels as markup. */
export function drawLabels(labels: readonly PlacedLabel[]): string {
  const drawn = labels.flatMap(({ text, box, leader }) => [
    leader === undefined ? '' : element('line', { class: 'leader', ...leader }),
    textElement(text, {
      class: 'label',
      x: box.x + box.width / 2,
      y: box.y + height * 0.78,
      'text-anchor': 'middle',
    }),
  ]);
  return drawn.length === 0 ? '' : element('g', {}, drawn);
}

interface Candidate {
  readonly label: PlacedLabel;
  readonly cost: number;
}

function candidatesOf({ x, y, text, radius }: LabelRequest, plane: Plane): Candidate[] {
  const point = toPixels(plane, x, y);
  const width = textWidth(text, fontPixels.label);
  return distances.flatMap((distance, step) =>
    directions.map(([dx, dy], turn) => {
      const reach = (radius + distance) / Math.hypot(dx, dy);
      const centre = {
        x: point.x + dx * (reach + width / 2),
        y: point.y + dy * (reach + height / 2),
      };
      const box = { x: centre.x - width / 2, y: centre.y - height / 2, width, height };
      const label =
        distance < leaderFrom ? { text, box } : { text, box, leader: leaderTo(point, radius, box) };
      return { label, cost: step * costOfDistance + turn * 0.1 };
    }),
  );
}

/** From the edge of the mark to the nearest place on the edge of the label. */
function leaderTo(point: Pixel, radius: number, box: Box): Leader {
  const end = {
    x: Math.min(Math.max(point.x, box.x), box.x + box.width),
    y: Math.min(Math.max(point.y, box.y), box.y + box.height),
  };
  const share = (radius + 2) / Math.hypot(end.x - point.x, end.y - point.y);
  return {
    x1: point.x + share * (end.x - point.x),
    y1: point.y + share * (end.y - point.y),
    x2: end.x,
    y2: end.y,
  };
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const tall = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && tall > 0 ? width * tall : 0;
}

function area(box: Box): number {
  return box.width * box.height;
}

function add(a: number, b: number): number {
  return a + b;
}
