import type { FastifyRequest } from 'fastify';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** One image of a request, before decoding. */
export interface SentImage {
  /** The caller's name for it: the file name, the `id` of the JSON form, or its position. */
  readonly id: string;
  readonly kind: 'file' | 'raw';
  readonly bytes: Uint8Array;
}

export interface RequestLimits {
  /** Size of one image as raw pixels. */
  readonly rawImageBytes: number;
  /** All files of a form together. */
  readonly maxBodyBytes: number;
}

export const maxImagesPerRequest = 64;
const pictureTypes = ['image/png', 'image/jpeg', 'image/webp'];

/** The JSON form of a request. */
export const classifyRequest = Type.Object(
  {
    images: Type.Array(
      Type.Object(
        { id: Type.Optional(Type.String({ maxLength: 256 })), data: Type.String({ description: 'base64' }) },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: maxImagesPerRequest },
    ),
  },
  { additionalProperties: false },
);
const jsonValidator = Compile(classifyRequest);

/**
 * Takes the images out of a request: one picture as the body (`image/png`, `image/jpeg`, `image/webp`), several as
 * `multipart/form-data` files or as JSON with base64, or raw pixels (`application/octet-stream`, any whole number of images).
 * @throws OfframpError IMAGE_INVALID, IMAGE_MISSING, IMAGE_TOO_LARGE.
 */
export async function requestImages(request: FastifyRequest, limits: RequestLimits): Promise<SentImage[]> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'multipart/form-data') return multipartImages(request, limits.maxBodyBytes);
  if (type === 'application/json') return jsonImages(request.body);
  const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
  if (body.length === 0)
    throw new OfframpError('IMAGE_MISSING', 'The request has no body, expected an image');
  if (pictureTypes.includes(type)) return [{ id: '0', kind: 'file', bytes: body }];
  if (type === 'application/octet-stream') return rawImages(body, limits.rawImageBytes);
  const known = [...pictureTypes, 'application/octet-stream', 'multipart/form-data', 'application/json'].join(
    ', ',
  );
  throw new OfframpError('IMAGE_INVALID', `Content-Type '${type}', expected one of ${known}`);
}

function rawImages(body: Uint8Array, imageBytes: number): SentImage[] {
  const count = body.length / imageBytes;
  if (!Number.isInteger(count)) {
    throw new OfframpError('IMAGE_INVALID', `${body.length} raw bytes, expected a multiple of ${imageBytes}`);
  }
  if (count > maxImagesPerRequest) throw tooMany(count);
  return Array.from({ length: count }, (_, index) => {
    const bytes = body.subarray(index * imageBytes, (index + 1) * imageBytes);
    return { id: String(index), kind: 'raw', bytes };
  });
}

function jsonImages(body: unknown): SentImage[] {
  if (!jsonValidator.Check(body)) {
    const problem = jsonValidator.Errors(body)[0];
    const where = `${problem?.instancePath ?? ''} ${problem?.message ?? ''}`.trim();
    throw new OfframpError(
      'IMAGE_INVALID',
      `JSON body: ${where}; expected {"images": [{"id"?, "data": base64}]}`,
    );
  }
  const { images }: Static<typeof classifyRequest> = body;
  return images.map(({ id, data }, index) => {
    return { id: id ?? String(index), kind: 'file', bytes: Buffer.from(data, 'base64') };
  });
}

async function multipartImages(request: FastifyRequest, maxBytes: number): Promise<SentImage[]> {
  const images: SentImage[] = [];
  let total = 0;
  try {
    for await (const part of request.files()) {
      const bytes = await part.toBuffer();
      total += bytes.length;
      if (total > maxBytes)
        throw new OfframpError('IMAGE_TOO_LARGE', `The form's files are larger than ${maxBytes} bytes`);
      images.push({ id: part.filename || String(images.length), kind: 'file', bytes });
    }
  } catch (thrown) {
    throw formError(thrown);
  }
  if (images.length === 0)
    throw new OfframpError('IMAGE_MISSING', 'The form has no file, expected one or more');
  return images;
}

function formError(thrown: unknown): OfframpError {
  if (thrown instanceof OfframpError) return thrown;
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : '';
  if (code === 'FST_FILES_LIMIT') return tooMany(maxImagesPerRequest + 1);
  const reason = reasonOf(thrown);
  if (code === 'FST_REQ_FILE_TOO_LARGE')
    return new OfframpError('IMAGE_TOO_LARGE', `A file of the form: ${reason}`);
  return new OfframpError('IMAGE_INVALID', `The form cannot be read: ${reason}`, { cause: thrown });
}

function tooMany(count: number): OfframpError {
  return new OfframpError(
    'IMAGE_TOO_LARGE',
    `${count} images in one request, at most ${maxImagesPerRequest} are taken`,
  );
}
