// What a reader of the page would stumble over: text and the edges of fields that stand out too little from what is
// behind them (WCAG 2.2, AA: 4.5 : 1 for text, 3 : 1 for large text and for edges). Returns a list of words.
() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const above = (node) => (node ? [...above(node.parentElement), node] : []);
  const behind = (node) => above(node).reduce((under, one) => over(rgba(getComputedStyle(one).backgroundColor), under), [255, 255, 255]);
  const isShown = (node) => node.offsetParent && !node.closest(".visually-hidden, .skip, :disabled");
  const found = new Set();
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = words.nextNode(); text; text = words.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || !isShown(node)) continue;
    const style = getComputedStyle(node);
    const shown = above(node).reduce((so, one) => so * Number(getComputedStyle(one).opacity), 1);
    const [r, g, b, a] = rgba(style.color);
    const under = behind(node);
    const size = Number.parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const is = ratio(over([r, g, b, a * shown], under), under);
    if (is < least) found.add(`${is.toFixed(2)} "${text.data.trim().slice(0, 30)}" .${node.className}`);
  }
  for (const field of document.querySelectorAll("input:not([type=hidden], [type=checkbox]), select")) {
    if (!isShown(field)) continue;
    const is = ratio(rgba(getComputedStyle(field).borderTopColor).slice(0, 3), behind(field.parentElement));
    if (is < 3) found.add(`${is.toFixed(2)} the edge of ${field.name || field.id}`);
  }
  return [...found];
}
