// Canvas basics, and the small lines in the tiles.

/** Sizes `canvas` to its box and the screen; answers its context in CSS pixels, cleared. */
export function context(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** A colour of the theme. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Draws `points` as a line over its area, oldest left. */
export function spark(canvas, points, stroke) {
  const { pen, width, height } = context(canvas);
  if (points.length < 2 || width === 0) return;
  const top = Math.max(...points.map(([, value]) => value)) || 1;
  const x = (at) => (at / (points.length - 1)) * width;
  const y = (value) => height - 1.5 - (Math.max(0, value) / top) * (height - 4);
  pen.beginPath();
  points.forEach(([, value], at) => pen.lineTo(x(at), y(value)));
  pen.strokeStyle = stroke;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.stroke();
  pen.lineTo(width, height);
  pen.lineTo(0, height);
  pen.closePath();
  pen.globalAlpha = 0.14;
  pen.fillStyle = stroke;
  pen.fill();
  pen.globalAlpha = 1;
}
