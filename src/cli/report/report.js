'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const dashes = ['', '7 3', '2 3', '9 3 2 3', '12 4', '4 2', '1 3', '6 2 1 2'];
  const hidden = new Set();
  const svgNamespace = 'http://www.w3.org/2000/svg';

  const make = (name, attributes = {}, text) => {
    const node = document.createElementNS(svgNamespace, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const element = (name, className, text) => {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const colour = (policy) => `var(--c${policy.colour})`;

  const time = (seconds) => {
    if (seconds < 100 && seconds !== 60) return `${+seconds.toPrecision(3)} s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    if (minutes % 1440 === 0) return `${minutes / 1440} d`;
    if (minutes < 2880) {
      return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
    }
    const hours = Math.round(seconds / 3600);
    return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
  };
  const plain = (value) => Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en')
                                                   : String(+value.toPrecision(3));
  const format = { percent: (v) => `${v.toFixed(1)} %`, seconds: time, count: plain,
                   usd: (v) => `$${plain(v)}`, plain };

  // Round steps for an axis of numbers, or of seconds.
  const step = (span, count, steps) => {
    if (steps) return steps.find((one) => span / one <= count) || steps[steps.length - 1] * Math.ceil(span / count / steps[steps.length - 1]);
    const power = 10 ** Math.floor(Math.log10(span / count));
    return [1, 2, 2.5, 5, 10].map((k) => k * power).find((one) => span / one <= count) || 10 * power;
  };
  const timeSteps = [1, 5, 15, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400,
                     172800, 604800, 1209600, 2592000];
  const linearTicks = (low, high, count, steps) => {
    const by = step(Math.max(high - low, 1e-9), count, steps);
    const ticks = [];
    for (let tick = Math.ceil(low / by) * by; tick <= high * (1 + 1e-9); tick += by) ticks.push(tick);
    return ticks;
  };
  const logTicks = (low, high) => {
    const all = [1, 5, 15, 60, 300, 900, 3600, 14400, 43200, 86400, 259200, 604800, 2592000];
    return all.filter((tick) => tick >= low && tick <= high);
  };

  // The last index whose x is at most `x`.
  const indexAt = (xs, x) => {
    let low = 0, high = xs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= x) low = middle + 1; else high = middle;
    }
    return low - 1;
  };

  const tip = element('div', 'tip');
  tip.hidden = true;
  tip.setAttribute('role', 'status');
  const showTip = (parent, x, y, rows) => {
    tip.replaceChildren(...rows);
    tip.hidden = false;
    if (tip.parentNode !== parent) parent.append(tip);
    const width = parent.clientWidth;
    tip.style.left = `${Math.max(0, Math.min(x + 14, width - tip.offsetWidth))}px`;
    if (x + 14 > width - tip.offsetWidth && x - 14 - tip.offsetWidth > 0) {
      tip.style.left = `${x - 14 - tip.offsetWidth}px`;
    }
    tip.style.top = `${Math.max(0, y - tip.offsetHeight - 10)}px`;
  };
  const tipRow = (text, strong, swatch) => {
    const row = element('div');
    if (swatch) {
      const box = element('i');
      box.style.background = swatch;
      row.append(box);
    }
    row.append(text);
    if (strong !== undefined) row.append(' ', element('b', '', strong));
    return row;
  };

  // A chart of one line a policy. `lines`: {policy, x, y}; `steps`: y holds until the next x.
  const charts = [];
  const draw = (holder, chart) => {
    const shown = chart.lines.filter((line) => !hidden.has(line.policy.name) && line.x.length > 0);
    const width = Math.max(280, holder.clientWidth), height = holder.clientWidth < 520 ? 200 : 230;
    const left = 52, right = 12, top = 8, bottom = 30;
    const all = chart.lines.filter((line) => line.x.length > 0);
    let low = Math.min(...all.map((line) => line.x[0])), high = Math.max(...all.map((line) => line.x[line.x.length - 1]));
    if (chart.time) low = Math.min(0, low);
    if (chart.log) { low = Math.max(1, low); high = Math.max(low * 2, high); }
    if (high <= low) high = low + 1;
    let most = chart.most;
    if (most === undefined) {
      most = 0;
      for (const line of all) for (const value of line.y) most = Math.max(most, value);
      most = most > 0 ? most * 1.05 : 1;
    }
    const atX = chart.log
      ? (x) => left + (width - left - right) * Math.log(Math.max(low, x) / low) / Math.log(high / low)
      : (x) => left + (width - left - right) * (x - low) / (high - low);
    const fromX = chart.log
      ? (pixel) => low * (high / low) ** ((pixel - left) / (width - left - right))
      : (pixel) => low + (high - low) * (pixel - left) / (width - left - right);
    const atY = (y) => top + (height - top - bottom) * (1 - y / most);
    const svg = make('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': chart.label });
    svg.style.height = `${height}px`;
    svg.append(make('title', {}, chart.label));
    for (const tick of linearTicks(0, most, 4)) {
      svg.append(make('line', { class: 'gridline', x1: left, x2: width - right, y1: atY(tick), y2: atY(tick) }));
      svg.append(make('text', { x: left - 8, y: atY(tick) + 4, 'text-anchor': 'end' }, chart.formatTick(tick)));
    }
    let ticks = chart.log ? logTicks(low, high)
                          : linearTicks(low, high, width < 420 ? 4 : 7, chart.time ? timeSteps : undefined);
    let last = -1e9;
    for (const tick of ticks) {
      if (atX(tick) - last < 58) continue;
      last = atX(tick);
      svg.append(make('line', { class: 'axis', x1: last, x2: last, y1: height - bottom, y2: height - bottom + 4 }));
      svg.append(make('text', { x: last, y: height - bottom + 18, 'text-anchor': last > width - 40 ? 'end' : 'middle' }, chart.formatX(tick)));
    }
    svg.append(make('line', { class: 'axis', x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
    for (const line of shown) {
      let path = '';
      line.x.forEach((x, i) => {
        const px = atX(x).toFixed(1), py = atY(Math.min(most, line.y[i])).toFixed(1);
        path += i === 0 ? `M${px} ${py}` : chart.steps ? `H${px}V${py}` : `L${px} ${py}`;
      });
      svg.append(make('path', { class: 'line', d: path, stroke: colour(line.policy), 'stroke-dasharray': dashes[line.policy.colour % dashes.length] }));
    }
    const cross = make('line', { class: 'cross', y1: top, y2: height - bottom, visibility: 'hidden' });
    svg.append(cross);
    const leave = () => { cross.setAttribute('visibility', 'hidden'); tip.hidden = true; };
    svg.addEventListener('pointermove', (event) => {
      const box = svg.getBoundingClientRect();
      const pixel = (event.clientX - box.left) * width / box.width;
      if (pixel < left || pixel > width - right) { leave(); return; }
      cross.setAttribute('x1', pixel);
      cross.setAttribute('x2', pixel);
      cross.setAttribute('visibility', 'visible');
      const x = fromX(pixel);
      const rows = [tipRow(chart.tipX(x))];
      for (const line of shown) {
        const index = indexAt(line.x, x);
        if (index >= 0 && (!chart.steps || x <= line.end)) {
          rows.push(tipRow(line.policy.name, chart.formatY(line.y[index]), colour(line.policy)));
        }
      }
      showTip(holder, event.clientX - box.left, event.clientY - box.top, rows);
    });
    svg.addEventListener('pointerleave', leave);
    holder.replaceChildren(svg);
  };
  const chartIn = (id, chart) => {
    const holder = document.getElementById(id);
    if (!holder) return;
    charts.push(() => draw(holder, chart));
  };

  const isTime = data.x === 'time';
  data.series.forEach((series, number) => {
    const lines = data.policies.filter((policy) => policy.series[series.name]).map((policy) => {
      const { x, y } = policy.series[series.name];
      return { policy, x, y, end: x[x.length - 1] };
    });
    const text = format[series.unit];
    chartIn(`chart-${number}`, {
      lines, steps: true, time: isTime, label: `${series.title} over ${data.x}, a line a policy`,
      most: series.unit === 'percent' ? 100 : undefined, formatY: text,
      formatTick: series.unit === 'percent' ? (v) => `${v} %` : text, formatX: isTime ? time : plain,
      tipX: (x) => isTime ? `at ${time(x)}` : `${data.x}: ${plain(x)}`,
    });
  });
  for (const [id, key, words] of [['chart-jct', 'jct', 'end'], ['chart-wait', 'wait', 'start']]) {
    const lines = data.policies.filter((policy) => policy[key]).map((policy) => (
      { policy, x: policy[key].x, y: policy[key].y, end: Infinity }));
    chartIn(id, {
      lines, steps: false, log: true, most: 100, label: `Share of jobs that ${words} within a time, a line a policy`,
      formatY: format.percent, formatTick: (v) => `${v} %`, formatX: time, tipX: (x) => `within ${time(x)}`,
    });
  }

  // Heat maps: a node is a strip of GPUs; nodes of one GPU model stand together.
  const heats = [];
  let frame = 0;
  const heatColours = () => {
    const style = getComputedStyle(document.documentElement);
    return [0, 1, 2, 3].map((i) => style.getPropertyValue(`--heat${i}`).split(',').map(Number));
  };
  const mix = (colours, share) => {
    const position = Math.min(2.999, Math.max(0, share * 3)), from = Math.floor(position), part = position - from;
    return colours[from].map((value, i) => Math.round(value + (colours[from + 1][i] - value) * part));
  };
  const layout = (policy, width) => {
    const total = policy.heat.nodes.reduce((sum, node) => sum + node[2], 0);
    const groups = new Map();
    let gpu = 0;
    for (const [name, model, gpus] of policy.heat.nodes) {
      if (!groups.has(model)) groups.set(model, []);
      groups.get(model).push({ name, gpus, first: gpu });
      gpu += gpus;
    }
    // As large as lets the longest group stand in one row, within reason.
    const longest = Math.max(...[...groups.values()].map((nodes) => nodes.length));
    const least = total <= 1200 ? 9 : total <= 3000 ? 7 : 5;
    const cell = Math.max(least, Math.min(18, Math.floor(width / longest) - 3)), gap = cell > 6 ? 1.5 : 1;
    const cells = [], labels = [];
    let y = 0;
    for (const [model, nodes] of groups) {
      labels.push({ text: `${model || 'GPU'}: ${nodes.length} node${nodes.length === 1 ? '' : 's'} × ${Math.max(...nodes.map((node) => node.gpus))}`, y: y + 11 });
      y += 18;
      const tall = Math.max(...nodes.map((node) => node.gpus)) * (cell + gap) + 6;
      let x = 0;
      for (const node of nodes) {
        if (x + cell > width) { x = 0; y += tall; }
        for (let i = 0; i < node.gpus; ++i) {
          cells.push({ x, y: y + i * (cell + gap), node: node.name, index: i, gpu: node.first + i });
        }
        x += cell + gap + (cell > 6 ? 1.5 : 0.5);
      }
      y += tall + 6;
    }
    return { cells, labels, cell, height: y };
  };
  const drawHeat = (canvas, policy) => {
    const width = canvas.parentNode.clientWidth, ratio = window.devicePixelRatio || 1;
    const plan = layout(policy, width);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(plan.height * ratio);
    canvas.style.height = `${plan.height}px`;
    const context = canvas.getContext('2d');
    context.scale(ratio, ratio);
    const colours = heatColours();
    const used = policy.heat.frames[Math.min(frame, policy.heat.frames.length - 1)].used;
    context.font = '12px system-ui, sans-serif';
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--soft');
    for (const label of plan.labels) context.fillText(label.text, 0, label.y);
    for (const one of plan.cells) {
      context.fillStyle = `rgb(${mix(colours, used[one.gpu] / 1000).join(',')})`;
      context.fillRect(one.x, one.y, plan.cell, plan.cell);
    }
    canvas.onpointermove = (event) => {
      const box = canvas.getBoundingClientRect();
      const x = event.clientX - box.left, y = event.clientY - box.top;
      const hit = plan.cells.find((one) => x >= one.x - 1 && x < one.x + plan.cell + 1 && y >= one.y - 1 && y < one.y + plan.cell + 1);
      if (!hit) { tip.hidden = true; return; }
      showTip(canvas.parentNode, x, canvas.offsetTop + y, [tipRow(`${hit.node}, GPU ${hit.index}`), tipRow('used', format.percent(used[hit.gpu] / 10))]);
    };
    canvas.onpointerleave = () => { tip.hidden = true; };
    const mean = used.reduce((sum, value) => sum + value, 0) / Math.max(1, used.length) / 10;
    const idle = used.filter((value) => value === 0).length;
    const full = used.filter((value) => value >= 999).length;
    policy.heatNote.textContent = `${mean.toFixed(1)} % held; ${full} of ${used.length} GPUs full, ${idle} idle`;
    canvas.setAttribute('aria-label', `Heat map of ${used.length} GPUs under ${policy.name}: ${policy.heatNote.textContent}`);
  };
  const holder = document.getElementById('heats');
  if (holder) {
    for (const policy of data.policies.filter((one) => one.heat)) {
      const box = element('div', 'heat');
      box.style.position = 'relative';
      const title = element('h3', '', policy.name);
      policy.heatNote = element('small');
      title.append(policy.heatNote);
      const canvas = element('canvas');
      canvas.setAttribute('role', 'img');
      box.append(title, canvas);
      holder.append(box);
      heats.push(() => drawHeat(canvas, policy));
    }
    const labels = data.policies.find((one) => one.heat).heat.frames.map((one) => one.label);
    const slider = document.getElementById('frame'), text = document.getElementById('frame-text');
    frame = labels.length - 1;
    slider.max = String(labels.length - 1);
    slider.value = String(frame);
    text.textContent = labels[frame];
    slider.setAttribute('aria-valuetext', labels[frame]);
    slider.addEventListener('input', () => {
      frame = Number(slider.value);
      text.textContent = labels[frame];
      slider.setAttribute('aria-valuetext', labels[frame]);
      heats.forEach((one) => one());
    });
    slider.closest('label').hidden = labels.length < 2;
  }

  for (const legend of document.querySelectorAll('.legend')) {
    for (const policy of data.policies) {
      const button = element('button');
      button.type = 'button';
      button.setAttribute('aria-pressed', 'true');
      const swatch = make('svg', { viewBox: '0 0 24 6', 'aria-hidden': 'true' });
      swatch.append(make('line', { x1: 0, x2: 24, y1: 3, y2: 3, stroke: colour(policy), 'stroke-width': 3, 'stroke-dasharray': dashes[policy.colour % dashes.length] }));
      button.append(swatch, policy.name);
      button.addEventListener('click', () => {
        if (hidden.has(policy.name)) hidden.delete(policy.name); else hidden.add(policy.name);
        button.setAttribute('aria-pressed', String(!hidden.has(policy.name)));
        charts.forEach((one) => one());
      });
      legend.append(button);
    }
  }
  const all = () => { charts.forEach((one) => one()); heats.forEach((one) => one()); };
  let drawnWidth = document.documentElement.clientWidth;
  window.addEventListener('resize', () => {
    if (document.documentElement.clientWidth !== drawnWidth) {
      drawnWidth = document.documentElement.clientWidth;
      all();
    }
  });
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', all);
  all();
  document.documentElement.dataset.drawn = String(charts.length + heats.length);
})();
