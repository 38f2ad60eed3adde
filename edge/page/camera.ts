/** A frame of the camera now and then. */

export interface Frame {
  readonly picture: HTMLVideoElement;
  readonly width: number;
  readonly height: number;
}

const everyMs = 400;
const wanted = { video: { facingMode: 'environment', width: { ideal: 640 } } };

export class Camera {
  readonly #onFrame: (frame: Frame) => Promise<void>;
  #stream: MediaStream | undefined;
  #timer = 0;

  /** @param onFrame the next frame comes when it has settled. */
  constructor(onFrame: (frame: Frame) => Promise<void>) {
    this.#onFrame = onFrame;
  }

  get isOn(): boolean {
    return this.#stream !== undefined;
  }

  /** @throws DOMException what `getUserMedia` does, NotFoundError too where a browser has none of it. */
  async start(): Promise<void> {
    // Absent in pages that came by plain HTTP from elsewhere.
    const devices: MediaDevices | undefined = navigator.mediaDevices;
    if (devices?.getUserMedia === undefined) throw new DOMException('no camera here', 'NotFoundError');
    const stream = await devices.getUserMedia(wanted);
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    this.#stream = stream;
    await video.play();
    this.#next(video, stream);
  }

  stop(): void {
    clearTimeout(this.#timer);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
  }

  #next(video: HTMLVideoElement, stream: MediaStream): void {
    this.#timer = window.setTimeout(async () => {
      if (stream !== this.#stream) return;
      if (!document.hidden && video.videoWidth > 0) {
        await this.#onFrame({ picture: video, width: video.videoWidth, height: video.videoHeight });
      }
      if (stream === this.#stream) this.#next(video, stream);
    }, everyMs);
  }
}
