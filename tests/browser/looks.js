// Measurements, taken in the page. The whole is one expression: an object with a function for each.
({
  // Each text that is seen, with its contrast to what lies behind it (WCAG 2.2, relative luminance). Colors are read
  // back from a canvas, so that any notation of them will do.
  contrasts: () => {
    const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
    const rgba = (color) => {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = (top, below) => top.slice(0, 3).map((part, index) => part * top[3] + below[index] * (1 - top[3]));
    const light = (color) => {
      const [r, g, b] = color.slice(0, 3).map((part) => {
        const value = part / 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      const layers = [];
      for (let each = element; each; each = each.parentElement) layers.push(rgba(getComputedStyle(each).backgroundColor));
      return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      const text = walker.currentNode.data.trim();
      if (!text || element.closest("svg, script, [hidden]") || !element.checkVisibility()) continue;
      const style = getComputedStyle(element);
      const [a, b] = [rgba(style.color), behind(element)];
      const [bright, dark] = [light(over(a, b)), light(b)].sort((one, two) => two - one);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
      found.push({text: text.slice(0, 40), contrast: (bright + 0.05) / (dark + 0.05), enough: large ? 3 : 4.5});
    }
    return found;
  },

  // What somebody with a screen reader or a keyboard would miss.
  faults: () => {
    const faults = [];
    const name = (element) => (element.getAttribute("aria-label") || element.textContent).trim();
    for (const element of document.querySelectorAll("a, button, summary")) if (!name(element)) faults.push(`no name: ${element.outerHTML}`);
    for (const field of document.querySelectorAll("input:not([type=hidden])")) if (!field.labels.length) faults.push(`no label: ${field.outerHTML}`);
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
    for (const element of document.querySelectorAll("[aria-labelledby]"))
      if (!document.getElementById(element.getAttribute("aria-labelledby"))) faults.push(`labelled by nothing: ${element.outerHTML.slice(0, 80)}`);
    const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((each) => each.checkVisibility()).map((each) => Number(each.tagName[1]));
    if (headings.filter((level) => level === 1).length !== 1) faults.push(`h1: ${headings}`);
    headings.forEach((level, index) => { if (level > (headings[index - 1] ?? 0) + 1) faults.push(`a heading of level ${level} after ${headings[index - 1]}`); });
    for (const landmark of ["header", "main"]) if (document.querySelectorAll(landmark).length !== 1) faults.push(landmark);
    for (const list of document.querySelectorAll("ul, ol"))
      for (const child of list.children) if (child.tagName !== "LI") faults.push(`in a list: ${child.outerHTML.slice(0, 80)}`);
    if (!document.documentElement.lang || !document.title) faults.push("no language or title");
    return faults;
  },

  // The tables of the diagram with a text that leaves its box, or meets another one.
  tooWide: () => [...document.querySelectorAll("svg .box")].flatMap((box) => {
    const frame = box.querySelector(".frame").getBBox();
    const texts = [...box.querySelectorAll("text")].map((text) => text.getBBox());
    const rows = box.querySelector(".rows")?.getBBox();
    const name = box.querySelector(".name").getBBox();
    const meets = rows && name.x + name.width > rows.x;
    const outside = texts.some((text) => text.x < frame.x || text.x + text.width > frame.x + frame.width - 4);
    return meets || outside ? [box.dataset.select] : [];
  }),
})
