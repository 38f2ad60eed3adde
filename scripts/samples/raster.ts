/** Images are `imageSide` x `imageSide` grey values, row by row. */
export const imageSide = 28;

/** One point of a pen's way, in pixels, with half the width of the line there. */
export interface PenPoint {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

const stepsPerSpan = 8;

/** Points of the uniform Catmull-Rom curve through the given ones; with two points a straight line. */
export function smooth(points: readonly PenPoint[]): PenPoint[] {
  const curve: PenPoint[] = points.slice(0, 1);
  for (let span = 0; span + 1 < points.length; span += 1) {
    const from = points[span];
    const to = points[span + 1];
    if (from === undefined || to === undefined) continue;
    const before = points[span - 1] ?? from;
    const after = points[span + 2] ?? to;
    for (let step = 1; step <= stepsPerSpan; step += 1) {
      const t = step / stepsPerSpan;
      curve.push({
        x: cubic(before.x, from.x, to.x, after.x, t),
        y: cubic(before.y, from.y, to.y, after.y, t),
        radius: from.radius + (to.radius - from.radius) * t,
      });
    }
  }
  return curve;
}

function cubic(before: number, from: number, to: number, after: number, t: number): number {
  const linear = to - before;
  const square = 2 * before - 5 * from + 4 * to - after;
  const cube = 3 * (from - to) + after - before;
  return from + 0.5 * t * (linear + t * (square + t * cube));
}

/** Draws round-ended lines: each pixel gets its share of ink, 0 to 1, from its distance to the nearest line. */
export function drawInk(strokes: readonly (readonly PenPoint[])[]): Float64Array {
  const ink = new Float64Array(imageSide * imageSide);
  for (const stroke of strokes) {
    for (let index = 0; index < stroke.length; index += 1) {
      const from = stroke[Math.max(0, index - 1)];
      const to = stroke[index];
      if (from !== undefined && to !== undefined) drawSegment(ink, from, to);
    }
  }
  return ink;
}

function drawSegment(ink: Float64Array, from: PenPoint, to: PenPoint): void {
  const reach = Math.max(from.radius, to.radius) + 1;
  const firstRow = Math.max(0, Math.floor(Math.min(from.y, to.y) - reach));
  const lastRow = Math.min(imageSide - 1, Math.ceil(Math.max(from.y, to.y) + reach));
  const firstColumn = Math.max(0, Math.floor(Math.min(from.x, to.x) - reach));
  const lastColumn = Math.min(imageSide - 1, Math.ceil(Math.max(from.x, to.x) + reach));
  for (let row = firstRow; row <= lastRow; row += 1) {
    for (let column = firstColumn; column <= lastColumn; column += 1) {
      const at = row * imageSide + column;
      const share = coverage(column + 0.5, row + 0.5, from, to);
      if (share > (ink[at] ?? 0)) ink[at] = share;
    }
  }
}

function coverage(x: number, y: number, from: PenPoint, to: PenPoint): number {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length2 = dx * dx + dy * dy;
  const along = length2 === 0 ? 0 : clamp(((x - from.x) * dx + (y - from.y) * dy) / length2);
  const toX = x - from.x - along * dx;
  const toY = y - from.y - along * dy;
  const radius = from.radius + (to.radius - from.radius) * along;
  return clamp(radius + 0.5 - Math.sqrt(toX * toX + toY * toY));
}

/** Spreads ink over the 3 x 3 neighbours: `weight` 0 leaves it, 1 is the binomial blur. */
export function blur(ink: Float64Array, weight: number): Float64Array {
  const side = 0.25 * weight;
  const across = blurLines(ink, 1, imageSide, side);
  return blurLines(across, imageSide, 1, side);
}

function blurLines(ink: Float64Array, step: number, lineStep: number, side: number): Float64Array {
  const blurred = new Float64Array(ink.length);
  for (let line = 0; line < imageSide; line += 1) {
    for (let index = 0; index < imageSide; index += 1) {
      const at = line * lineStep + index * step;
      const before = index === 0 ? 0 : (ink[at - step] ?? 0);
      const after = index === imageSide - 1 ? 0 : (ink[at + step] ?? 0);
      blurred[at] = (ink[at] ?? 0) * (1 - 2 * side) + (before + after) * side;
    }
  }
  return blurred;
}

/** Centre of the ink, in pixels; the middle of the image when there is none. */
export function centreOfInk(ink: Float64Array): { x: number; y: number } {
  let [sum, x, y] = [0, 0, 0];
  for (const [at, share] of ink.entries()) {
    sum += share;
    x += share * ((at % imageSide) + 0.5);
    y += share * (Math.floor(at / imageSide) + 0.5);
  }
  return sum === 0 ? { x: imageSide / 2, y: imageSide / 2 } : { x: x / sum, y: y / sum };
}

export function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
