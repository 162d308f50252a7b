// Runs in the audio thread: microphone blocks in, pieces of 16-bit mono samples at the model's rate out.

/** One second-order Butterworth low-pass; two in a row keep what the lower rate cannot hold from folding back. */
class LowPass {
  constructor(cutoff, q) {
    const omega = 2 * Math.PI * cutoff;
    const alpha = Math.sin(omega) / (2 * q);
    const cosine = Math.cos(omega);
    const scale = 1 + alpha;
    this.b0 = (1 - cosine) / 2 / scale;
    this.b1 = (1 - cosine) / scale;
    this.a1 = (-2 * cosine) / scale;
    this.a2 = (1 - alpha) / scale;
    this.x1 = this.x2 = this.y1 = this.y2 = 0;
  }

  next(x) {
    const y = this.b0 * (x + this.x2) + this.b1 * this.x1 - this.a1 * this.y1 - this.a2 * this.y2;
    this.x2 = this.x1;
    this.x1 = x;
    this.y2 = this.y1;
    this.y1 = y;
    return y;
  }
}

class Recorder extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate, pieceSeconds } }) {
    super();
    // `sampleRate` is the context's; a browser that follows the wish needs no resampling.
    this.step = sampleRate / rate;
    const cutoff = (0.45 * Math.min(rate, sampleRate)) / sampleRate;
    this.filters = this.step > 1 ? [new LowPass(cutoff, 0.541), new LowPass(cutoff, 1.307)] : [];
    this.piece = new Int16Array(Math.round(rate * pieceSeconds));
    this.filled = 0;
    this.last = 0;
    // Where the next output sample lies between `last` (0) and the sample now read (1).
    this.place = 1;
    this.open = true;
    this.port.onmessage = () => {
      this.send();
      this.open = false;
      this.port.postMessage(null);
    };
  }

  process([input]) {
    const frames = input[0]?.length ?? 0;
    for (let index = 0; index < frames; index += 1) {
      let sample = 0;
      for (const channel of input) sample += channel[index] / input.length;
      for (const filter of this.filters) sample = filter.next(sample);
      while (this.place <= 1) {
        this.push(this.last + this.place * (sample - this.last));
        this.place += this.step;
      }
      this.place -= 1;
      this.last = sample;
    }
    return this.open;
  }

  push(sample) {
    this.piece[this.filled] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    this.filled += 1;
    if (this.filled === this.piece.length) this.send();
  }

  send() {
    if (!this.filled) return;
    const piece = this.piece.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(piece, [piece.buffer]);
  }
}

registerProcessor("recorder", Recorder);
