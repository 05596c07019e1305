// A short tone for what happens by itself: off until the trader asks for it, and then quiet.

import { recall, remember } from "./dom.js";

const TONES_HZ = { good: [660, 880], warn: [520, 390], bad: [300] };
const LASTS_S = 0.11;
const LOUDNESS = 0.06;

let isOn = recall("sound", false) === true;
let audio = null;

export const soundIsOn = () => isOn;

/** Switch the tones on or off; being asked is what lets a browser play them. */
export function switchSound() {
  isOn = !isOn;
  remember("sound", isOn);
  if (isOn) play("good");
}

/** Play the tone of an outcome: "good", "warn" or "bad". */
export function play(kind) {
  if (!isOn) return;
  audio ??= new AudioContext();
  if (audio.state === "suspended") audio.resume(); // a page that was reloaded may play after the first press only
  TONES_HZ[kind].forEach((pitch, index) => {
    const [tone, level] = [audio.createOscillator(), audio.createGain()];
    const from = audio.currentTime + index * LASTS_S;
    tone.frequency.value = pitch;
    level.gain.setValueAtTime(LOUDNESS, from);
    level.gain.exponentialRampToValueAtTime(0.0001, from + LASTS_S);
    tone.connect(level).connect(audio.destination);
    tone.start(from);
    tone.stop(from + LASTS_S);
  });
}
