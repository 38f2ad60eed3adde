/** Compressed formats that a picture may have on its way at cut 0. */
export const pictureFormats = ['png', 'jpeg', 'webp'] as const;
export type PictureFormat = (typeof pictureFormats)[number];

const latin1 = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));

/** What a file of each format begins with: `bytes` at offset `at` (PNG section 5.2, JPEG B.1.1.3, RFC 9649 section 2.4). */
const signatures: Readonly<
  Record<PictureFormat, readonly { readonly at: number; readonly bytes: readonly number[] }[]>
> = {
  png: [{ at: 0, bytes: [0x89, ...latin1('PNG\r\n\x1a\n')] }],
  jpeg: [{ at: 0, bytes: [0xff, 0xd8, 0xff] }],
  webp: [
    { at: 0, bytes: latin1('RIFF') },
    { at: 8, bytes: latin1('WEBP') },
  ],
};

/** The format that a file's first bytes claim; `undefined` when it is none of ours. Says nothing of what follows them. */
export function pictureFormatOf(file: Uint8Array): PictureFormat | undefined {
  return pictureFormats.find((format) =>
    signatures[format].every(({ at, bytes }) => bytes.every((byte, index) => file[at + index] === byte)),
  );
}
