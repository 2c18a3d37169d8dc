// Mouse, fingers and keys on the stage: zoom, move, and draw a region.

const ARROW = 60;  // pixels that an arrow key moves the picture by
const ARROWS = {ArrowLeft: [ARROW, 0], ArrowRight: [-ARROW, 0], ArrowUp: [0, ARROW], ArrowDown: [0, -ARROW]};

// mayDraw() says whether a drag draws; onRegion([x1, y1, x2, y2]) is called, in pixels, with each move of one.
export function takeGestures(stage, zoom, {mayDraw, onRegion}) {
  const pointers = new Map();
  let from = null;  // where a region was begun

  const within = ({clientX, clientY}) => {
    const {left, top} = stage.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };
  const onPicture = (event) => zoom.width && !event.target.closest("button");

  stage.addEventListener("pointerdown", (event) => {
    if (!onPicture(event) || event.button > 1) return;
    pointers.set(event.pointerId, event);
    from = mayDraw() && event.button === 0 && pointers.size === 1 ? zoom.pixelAt(event.clientX, event.clientY) : null;
    if (from || !zoom.fitted || pointers.size > 1) {
      stage.setPointerCapture(event.pointerId);
      stage.focus({preventScroll: true});
      event.preventDefault();
    }
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    if (!event.buttons) {  // it was let go elsewhere
      pointers.delete(event.pointerId);
      from = null;
      return;
    }
    if (from) {
      onRegion([...from, ...zoom.pixelAt(event.clientX, event.clientY)]);
    } else if (pointers.size === 2) {
      pinch([...pointers.values()].find((other) => other.pointerId !== event.pointerId), last, event);
    } else if (!zoom.fitted) {
      zoom.move(event.clientX - last.clientX, event.clientY - last.clientY);
    }
    pointers.set(event.pointerId, event);
  });
  const pinch = (still, last, event) => {
    const apart = (one) => Math.max(20, Math.hypot(one.clientX - still.clientX, one.clientY - still.clientY));
    const middle = (one) => {
      const [[ax, ay], [bx, by]] = [within(one), within(still)];
      return [(ax + bx) / 2, (ay + by) / 2];
    };
    const [[x0, y0], [x, y]] = [middle(last), middle(event)];
    zoom.by(apart(event) / apart(last), x, y);
    if (!zoom.fitted) zoom.move(x - x0, y - y0);
  };
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      from = null;
    });
  }

  stage.addEventListener("wheel", (event) => {
    if (!zoom.width || !(event.ctrlKey || event.metaKey)) return;  // else the page scrolls
    event.preventDefault();
    zoom.by(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 300)), ...within(event));
  }, {passive: false});
  stage.addEventListener("dblclick", (event) => {
    if (!onPicture(event) || mayDraw()) return;
    zoom.by(2.5, ...within(event));
  });
  stage.addEventListener("keydown", (event) => {
    if (!zoom.width || event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") zoom.in();
    else if (event.key === "-") zoom.out();
    else if (event.key === "0") zoom.fit();
    else if (ARROWS[event.key] && !zoom.fitted) zoom.move(...ARROWS[event.key]);
    else return;
    event.preventDefault();
  });
}
