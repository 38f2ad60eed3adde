import { element } from './dom.ts';
import { asInk, type Grey, greyOf, inkBox, offCentre, rgbaOf, withoutAlpha } from './pixels.ts';

/** What the pad holds, ready for the network. */
export interface PadPixels {
  /** Uint8 [side, side, channels]. */
  readonly pixels: Uint8Array;
  /** The same on a canvas, to be stored as a file. */
  readonly canvas: OffscreenCanvas;
}

const side = 280;
const penWidth = 22;
/** Of MNIST: digits fill 20 of 28 pixels, centred by mass. */
const digitShare = 20 / 28;
const keyStep = 7;

type Content = 'nothing' | 'drawing' | 'picture';

/** The square that is drawn on, and that shows whatever is classified. */
export class Pad {
  readonly #canvas = element('pad', HTMLCanvasElement);
  readonly #context: CanvasRenderingContext2D;
  readonly #onStroke: (isDone: boolean) => void;
  #content: Content = 'nothing';
  /** Pixels of exactly the network's size, where that is what is shown. */
  #exact: Uint8Array | undefined;
  #draws = true;
  #pen = { x: side / 2, y: side / 2 };

  /** @param onStroke is called while somebody draws, and at the end of each stroke. */
  constructor(onStroke: (isDone: boolean) => void) {
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('This browser has no canvas');
    this.#context = context;
    this.#onStroke = onStroke;
    this.#listen();
    this.clear();
  }

  /** Whether it can be drawn on, as for digits. */
  set draws(draws: boolean) {
    this.#draws = draws;
    this.#canvas.classList.toggle('draws', draws);
    this.#hint();
  }

  get isEmpty(): boolean {
    return this.#content === 'nothing';
  }

  clear(): void {
    this.#context.fillStyle = '#000';
    this.#context.fillRect(0, 0, side, side);
    this.#content = 'nothing';
    this.#exact = undefined;
    this.#hint();
  }

  /** Shows pixels of the network's own size, which are then classified as they are. */
  showPixels(pixels: Uint8Array, [height = 0, width = 0, channels = 1]: readonly number[]): void {
    const small = new OffscreenCanvas(width, height);
    small.getContext('2d')?.putImageData(new ImageData(rgbaOf(pixels, channels), width, height), 0, 0);
    this.#show(small, width, height, false);
    this.#exact = pixels;
  }

  /** Shows the middle of a picture. */
  showPicture(picture: CanvasImageSource, width: number, height: number): void {
    this.#show(picture, width, height, true);
  }

  /** What is shown, brought to a network's input; `undefined` while there is nothing. */
  pixels([height = 0, width = 0, channels = 1]: readonly number[]): PadPixels | undefined {
    if (this.#content === 'nothing') return undefined;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) return undefined;
    if (this.#exact !== undefined) {
      context.putImageData(new ImageData(rgbaOf(this.#exact, channels), width, height), 0, 0);
      return { pixels: this.#exact, canvas };
    }
    context.imageSmoothingQuality = 'high';
    if (channels === 1) return this.#digit(canvas, context, width);
    context.drawImage(this.#canvas, 0, 0, width, height);
    return { pixels: withoutAlpha(context.getImageData(0, 0, width, height).data), canvas };
  }

  /** As MNIST's makers did it: the ink's box scaled to 20 pixels, its centre of mass in the middle. */
  #digit(
    canvas: OffscreenCanvas,
    context: OffscreenCanvasRenderingContext2D,
    size: number,
  ): PadPixels | undefined {
    const seen = greyOf(this.#context.getImageData(0, 0, side, side).data, side);
    const ink = this.#content === 'drawing' ? seen : asInk(seen);
    const box = inkBox(ink);
    if (box === undefined) return undefined;
    const source = canvasOf(ink);
    const scale = (digitShare * size) / Math.max(box.width, box.height);
    const [width, height] = [box.width * scale, box.height * scale];
    const place = { x: (size - width) / 2, y: (size - height) / 2 };
    const put = ({ x, y }: { readonly x: number; readonly y: number }): Grey => {
      context.fillStyle = '#000';
      context.fillRect(0, 0, size, size);
      context.drawImage(source, box.x, box.y, box.width, box.height, x, y, width, height);
      return greyOf(context.getImageData(0, 0, size, size).data, size);
    };
    const shift = offCentre(put(place));
    const { values } = put({ x: place.x + Math.round(shift.x), y: place.y + Math.round(shift.y) });
    return { pixels: values, canvas };
  }

  #show(picture: CanvasImageSource, width: number, height: number, smooth: boolean): void {
    this.clear();
    const own = Math.min(width, height);
    this.#context.imageSmoothingEnabled = smooth;
    this.#context.imageSmoothingQuality = 'high';
    const [x, y] = [(width - own) / 2, (height - own) / 2];
    this.#context.drawImage(picture, x, y, own, own, 0, 0, side, side);
    this.#content = 'picture';
    this.#hint();
  }

  #listen(): void {
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => {
      if (!this.#draws || event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#moveTo(this.#placeOf(event));
      this.#lineTo(this.#pen);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      // A fast hand moves several times between two frames.
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length > 0 ? all : [event]) this.#lineTo(this.#placeOf(one));
      this.#onStroke(false);
    });
    for (const kind of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(kind, (event) => {
        if (!canvas.hasPointerCapture(event.pointerId)) return;
        canvas.releasePointerCapture(event.pointerId);
        this.#onStroke(true);
      });
    }
    canvas.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Arrows move the pen, with Shift they draw. */
  #onKey(event: KeyboardEvent): void {
    const [x, y] = moves[event.key] ?? [0, 0];
    if (!this.#draws || (x === 0 && y === 0)) return;
    event.preventDefault();
    const clamp = (value: number) => Math.min(side - 8, Math.max(8, value));
    const to = { x: clamp(this.#pen.x + x * keyStep), y: clamp(this.#pen.y + y * keyStep) };
    if (event.shiftKey) {
      this.#lineTo(to);
      this.#onStroke(false);
    } else this.#moveTo(to);
  }

  #moveTo(place: { readonly x: number; readonly y: number }): void {
    if (this.#content === 'picture') this.clear();
    this.#pen = { ...place };
  }

  #lineTo(place: { readonly x: number; readonly y: number }): void {
    const context = this.#context;
    this.#exact = undefined;
    context.strokeStyle = '#fff';
    context.lineWidth = penWidth;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(this.#pen.x, this.#pen.y);
    context.lineTo(place.x, place.y);
    context.stroke();
    this.#pen = { ...place };
    this.#content = 'drawing';
    this.#hint();
  }

  #placeOf({ clientX, clientY }: PointerEvent): { x: number; y: number } {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return { x: ((clientX - left) * side) / width, y: ((clientY - top) * side) / height };
  }

  #hint(): void {
    const hint = element('pad-hint', HTMLElement);
    hint.hidden = this.#content !== 'nothing';
    hint.textContent = this.#draws ? 'draw a digit here' : 'take a sample, or choose a picture';
  }
}

const moves: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
};

function canvasOf({ side: size, values }: Grey): OffscreenCanvas {
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext('2d')?.putImageData(new ImageData(rgbaOf(values, 1), size, size), 0, 0);
  return canvas;
}
