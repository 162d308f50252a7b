// Recordings as WAV files of 16-bit mono samples.

/** Join pieces of Int16Array, keeping the last `most` samples. */
export function joinPieces(pieces, most = Infinity) {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const all = new Int16Array(total);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return total > most ? all.subarray(total - most) : all;
}

/** Floats of full scale 1 as 16-bit samples. */
export function toInt16(samples) {
  return Int16Array.from(samples, (value) => Math.max(-32768, Math.min(32767, Math.round(32768 * value))));
}

export function wavFile(samples, rate, name = "recording.wav") {
  const header = new DataView(new ArrayBuffer(44));
  const word = (at, text) => [...text].forEach((letter, index) => header.setUint8(at + index, letter.charCodeAt(0)));
  word(0, "RIFF");
  header.setUint32(4, 36 + 2 * samples.length, true);
  word(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  word(36, "data");
  header.setUint32(40, 2 * samples.length, true);
  return new File([header, samples], name, { type: "audio/wav" });
}

/** The example of a model, {base64, name} or {samples, sample_rate_hz}, as a file. */
export function fileOfExample({ base64, name, samples, sample_rate_hz: rate }) {
  if (base64 === undefined) return wavFile(toInt16(samples), rate, "example.wav");
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new File([bytes], name);
}
