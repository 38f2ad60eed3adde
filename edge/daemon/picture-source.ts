import { decodeImage, type ResizeMode, sentPictureResize } from '../../shared/host/index.ts';
import { pictureFormatOf } from '../../shared/protocol/index.ts';
import type { ImageSource } from '../agent/index.ts';

/**
 * A picture file as the agent takes it. It may be sent as it is only where a server would fit it to the network as this device
 * is told to; else it goes as pixels.
 */
export function pictureSource(file: Uint8Array, shape: readonly number[], resize: ResizeMode): ImageSource {
  const decode = () => decodeImage(file, shape, resize);
  const format = pictureFormatOf(file);
  return format === undefined || resize !== sentPictureResize ? decode : { file, format, decode };
}
