// The microphone as pieces of 16-bit samples at the rate of a model.

// Between the 20 ms of a network packet and the 100 ms that a person would notice.
const PIECE_SECONDS = 0.05;

function refusal(error) {
  const sentence = {
    NotAllowedError: "The browser does not allow this page to use it. Allow it in the settings of the page and try again.",
    NotFoundError: "No such device is connected.",
    NotReadableError: "Another program uses it.",
  }[error.name];
  return new Error(sentence ?? error.message);
}

/** Ask for a device; the Error of a refusal says what to do. */
export async function openDevice(wish) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give microphone and camera only to pages by https or of this machine (localhost).");
  }
  try {
    return await navigator.mediaDevices.getUserMedia(wish);
  } catch (error) {
    throw refusal(error);
  }
}

async function contextWith(stream, rate) {
  try {
    const context = new AudioContext({ sampleRate: rate });
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    // Firefox does not join a stream and a context of different rates: the worklet resamples then.
    const context = new AudioContext();
    return { context, source: context.createMediaStreamSource(stream) };
  }
}

/** Record until `stop()`, which resolves when the last piece has been handed to `onPiece`. */
export async function openMicrophone(rate, onPiece) {
  const stream = await openDevice({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const { context, source } = await contextWith(stream, rate);
  await context.audioWorklet.addModule(new URL("./audio_worklet.js", import.meta.url));
  const recorder = new AudioWorkletNode(context, "recorder", {
    numberOfOutputs: 0, processorOptions: { rate, pieceSeconds: PIECE_SECONDS },
  });
  let finished = () => {};
  recorder.port.onmessage = ({ data }) => (data === null ? finished() : onPiece(data));
  source.connect(recorder);
  await context.resume();
  let stopped = null;
  const stop = async () => {
    const last = new Promise((resolve) => {
      finished = resolve;
      setTimeout(resolve, 500);
    });
    recorder.port.postMessage("stop");
    await last;
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
  return { stop: () => (stopped ??= stop()) };
}
