// Curves: the values under the pointer.
for (const chart of document.querySelectorAll('.chart')) {
  const lines = Object.entries(JSON.parse(chart.dataset.points));
  const svg = chart.querySelector('svg');
  const cross = svg.querySelector('.cross');
  const output = chart.querySelector('output');
  const mark = x => { cross.setAttribute('x1', x); cross.setAttribute('x2', x); };
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    const nearest = points => points.reduce((a, b) => Math.abs(b[2] - x) < Math.abs(a[2] - x) ? b : a);
    const found = lines.map(([name, points]) => [name, nearest(points)]);
    mark(found[0][1][2]);
    output.textContent = `step ${found[0][1][0]}` + found.map(([name, at]) => `\n${name}  ${at[1].toPrecision(4)}`).join('');
    output.style.display = 'block';
  });
  svg.addEventListener('pointerleave', () => { output.style.display = 'none'; mark(-9); });
}

// Games: stepped through by slider and buttons.
const names = {p: 'pawn', n: 'knight', b: 'bishop', r: 'rook', q: 'queen', k: 'king'};

function make(tag, settings) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(settings)) made.setAttribute(key, value);
  return made;
}

function place(pieces, fen) {
  pieces.replaceChildren();
  fen.split('/').forEach((row, rank) => {
    let file = 0;
    for (const letter of row) {
      if (letter >= '1' && letter <= '8') { file += Number(letter); continue; }
      const colour = letter === letter.toUpperCase() ? 'white' : 'black';
      pieces.append(make('use', {href: `#${colour}-${names[letter.toLowerCase()]}`, x: 45 * file, y: 45 * rank}));
      file += 1;
    }
  });
}

for (const figure of document.querySelectorAll('.game')) {
  const game = JSON.parse(figure.dataset.game);
  const range = figure.querySelector('input');
  const cross = figure.querySelector('.value .cross');
  const marks = figure.querySelector('.marks');
  const show = ply => {
    place(figure.querySelector('.pieces'), game.fens[ply]);
    marks.replaceChildren();
    const squares = ply ? [game.moves[ply - 1].slice(0, 2), game.moves[ply - 1].slice(2, 4)] : [];
    for (const square of squares) {
      const x = 45 * (square.charCodeAt(0) - 97), y = 45 * (56 - square.charCodeAt(1));
      marks.append(make('rect', {class: 'from', width: 45, height: 45, x, y}));
    }
    const value = ply ? game.values[ply - 1] : null;
    const note = value === null ? '  (opening)' : `  value ${value.toFixed(2)}`;
    figure.querySelector('.move').textContent = ply ? game.sans[ply - 1] + note : 'start';
    const x = figure.querySelector('.value').viewBox.baseVal.width / game.moves.length * (ply - .5);
    cross.setAttribute('x1', x);
    cross.setAttribute('x2', x);
    range.value = ply;
  };
  range.addEventListener('input', () => show(Number(range.value)));
  for (const button of figure.querySelectorAll('button')) {
    button.addEventListener('click', () =>
      show(Math.min(Math.max(Number(range.value) + Number(button.dataset.by), 0), game.moves.length)));
  }
  show(game.moves.length);
}
