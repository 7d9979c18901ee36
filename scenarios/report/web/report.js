// The page of one run: reads the JSON that the writer embedded, draws everything on one time axis.
//
// All text from the run goes into the page as text nodes, never as markup. Times are seconds since
// the start of the run. There is one view {min, max, cursor}; every panel draws from it.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const END = Math.max(data.meta.endedSeconds, 1e-3);
  const $ = (id) => document.getElementById(id);

  // ---------------------------------------------------------------- building blocks

  // h('p.note', {title: 'x'}, 'text', node): an element with classes, attributes and children.
  function h(spec, attrs, ...children) {
    const [tag, ...classes] = spec.split('.');
    const el = document.createElement(tag);
    if (classes.length) el.className = classes.join(' ');
    for (const [k, v] of Object.entries(attrs || {})) {
      if (v === undefined || v === null || v === false) continue;
      if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
      else el.setAttribute(k, v === true ? '' : v);
    }
    el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ''));
    return el;
  }

  const ICONS = {
    good: ['M4 10.5l4 4 8-9', 'holds'],
    bad: ['M5 5l10 10M15 5L5 15', 'fails'],
    warning: ['M10 3.5L18 17H2zM10 8.5v4M10 14.6v.4', 'warning'],
    info: ['M10 9v6M10 5.4v.4', 'note'],
    sun: ['M10 6.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6L16 16M4 16l1.4-1.4M14.6 5.4L16 4', ''],
    moon: ['M16.5 12.2A7 7 0 017.8 3.5a7 7 0 108.7 8.7z', ''],
  };
  function icon(name, label) {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', '0 0 20 20');
    if (label) {
      svg.setAttribute('role', 'img');
      svg.setAttribute('aria-label', label);
    } else {
      svg.setAttribute('aria-hidden', 'true');
    }
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', ICONS[name][0]);
    path.setAttribute('fill', 'none');
    path.setAttribute('stroke', 'currentColor');
    path.setAttribute('stroke-width', '2');
    path.setAttribute('stroke-linecap', 'round');
    path.setAttribute('stroke-linejoin', 'round');
    svg.append(path);
    const span = h('span.mark-icon', {});
    span.append(svg);
    return span;
  }

  const clamp = (v, lo, hi) => Math.min(Math.max(v, lo), hi);
  const plural = (n, one, many) => `${fmtNum(n)} ${n === 1 ? one : many || one + 's'}`;

  // 3723 -> "1h02m03s". `step` is the distance between ticks: no finer than that is shown.
  function fmtTime(t, step) {
    if (!isFinite(t)) return '';
    const digits = step !== undefined ? (step < 0.1 ? 2 : step < 1 ? 1 : 0) : t < 60 && t % 1 ? 1 : 0;
    const f = 10 ** digits;
    let units = Math.round(Math.abs(t) * f);
    const sign = t < 0 && units ? '-' : '';
    const frac = units % f;
    units = Math.floor(units / f);
    const s = units % 60, m = Math.floor(units / 60) % 60, hours = Math.floor(units / 3600);
    const d = Math.floor(hours / 24);
    const p2 = (x) => String(x).padStart(2, '0');
    const tail = digits && frac ? '.' + String(frac).padStart(digits, '0') : '';
    const seconds = (head) => (s || tail ? (head ? p2(s) : s) + tail + 's' : '');
    if (d) return `${sign}${d}d${hours % 24 || m || s ? p2(hours % 24) + 'h' : ''}${m || s ? p2(m) + 'm' : ''}${seconds(true)}`;
    if (hours && step >= 3600 && !m && !s) return `${sign}${hours}h`;
    if (hours) return `${sign}${hours}h${p2(m)}m${seconds(true)}`;
    if (m) return `${sign}${m}m${step === undefined || s || tail ? p2(s) + tail + 's' : ''}`;
    return `${sign}${s}${tail}s`;
  }

  function fmtClock(t) {
    const ms = (data.meta.epochUnixSeconds + t) * 1000;
    return new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC';
  }

  function fmtNum(v) {
    if (v === null || v === undefined || !isFinite(v)) return '–';
    const a = Math.abs(v);
    const digits = Number.isInteger(v) || a >= 1000 ? 0 : a >= 100 ? 1 : a >= 1 ? 2 : 3;
    return v.toLocaleString('en-US', {maximumFractionDigits: digits});
  }

  // [text, unit] of a value.
  function parts(v, unit) {
    if (v === null || v === undefined || !isFinite(v)) return ['–', ''];
    if (unit === '%') return [v.toLocaleString('en-US', {maximumFractionDigits: Math.abs(v) > 99 && v !== 100 ? 3 : 2}), '%'];
    if (unit === 's' && Math.abs(v) >= 60) return [fmtTime(v), ''];
    if (unit === 'ms' && Math.abs(v) >= 10000) return [fmtNum(v / 1000), 's'];
    if (unit === 'USD' || unit === 'USD/h') {
      const digits = Math.abs(v) < 1 ? 3 : 2;
      return ['$' + v.toLocaleString('en-US', {minimumFractionDigits: 2, maximumFractionDigits: digits}), unit === 'USD/h' ? '/h' : ''];
    }
    // One change, not one changes.
    return [fmtNum(v), v === 1 && unit && unit.length > 2 ? unit.replace(/s$/, '') : unit];
  }
  function fmtValue(v, unit) {
    const [n, u] = parts(v, unit);
    return u ? n + (u.startsWith('/') ? '' : '\u202f') + u : n;
  }

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let palette = {};
  function color(name) {
    return palette[name] || (palette[name] = css('--' + name));
  }

  // ---------------------------------------------------------------- theme

  function setTheme(dark, remember) {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    palette = {};
    $('theme').replaceChildren(icon(dark ? 'sun' : 'moon'));
    if (remember) {
      try {
        localStorage.setItem('mainspring-theme', dark ? 'dark' : 'light');
      } catch (e) { /* storage is off: the choice lasts as long as the page */ }
    }
    redrawAll();
  }
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const hash = new URLSearchParams(location.hash.slice(1));
  let chosenTheme = hash.get('theme');
  try {
    chosenTheme = chosenTheme || localStorage.getItem('mainspring-theme');
  } catch (e) { /* storage is off */ }
  const isDark = () => document.documentElement.dataset.theme === 'dark';

  // ---------------------------------------------------------------- series

  const all = data.series.map((s) => {
    const t = data.times[s.t];
    const labels = s.l;
    return {metric: s.m, unit: s.u, labels, step: s.k === 1, t, v: s.v};
  });
  const byMetric = new Map();
  for (const s of all) {
    if (!byMetric.has(s.metric)) byMetric.set(s.metric, []);
    byMetric.get(s.metric).push(s);
  }
  const of = (metric) => byMetric.get(metric) || [];
  const find = (metric, key, value) => of(metric).find((s) => s.labels[key] === value);

  // Index of the last point at or before t, -1 if there is none.
  function indexAt(ts, t) {
    let lo = 0, hi = ts.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (ts[mid] <= t) lo = mid + 1;
      else hi = mid;
    }
    return lo - 1;
  }
  function valueAt(s, t) {
    const i = s ? indexAt(s.t, t) : -1;
    return i < 0 ? null : s.v[i];
  }
  function maxOf(s) {
    let m = 0;
    for (const v of s.v) if (v !== null && v > m) m = v;
    return m;
  }
  function sumSeries(list) {
    if (list.length < 2) return list[0];
    const ts = [...new Set(list.flatMap((s) => s.t))].sort((a, b) => a - b);
    const v = ts.map((t) => {
      let sum = null;
      for (const s of list) {
        const x = valueAt(s, t);
        if (x !== null) sum = (sum || 0) + x;
      }
      return sum;
    });
    return {...list[0], labels: {}, t: ts, v};
  }

  // ---------------------------------------------------------------- the one view

  const view = {min: 0, max: END, cursor: null};
  const panels = [];
  let geo = {gutter: 132, right: 16, narrow: false, width: 800};
  const plotWidth = () => geo.width - geo.gutter - geo.right;
  const xOf = (t) => geo.gutter + ((t - view.min) / (view.max - view.min)) * plotWidth();
  const tOf = (x) => view.min + ((x - geo.gutter) / plotWidth()) * (view.max - view.min);

  let frame = 0;
  let dirty = false;
  function schedule(redraw) {
    dirty = dirty || redraw;
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      if (dirty) for (const p of panels) p.draw();
      dirty = false;
      for (const p of panels) p.cursor();
      showNow();
    });
  }
  function redrawAll() {
    schedule(true);
  }

  function setRange(min, max) {
    const span = clamp(max - min, Math.min(1, END), END);
    min = clamp(min, 0, END - span);
    view.min = min;
    view.max = min + span;
    schedule(true);
    remember();
  }
  function zoom(factor, around) {
    const span = (view.max - view.min) * factor;
    const c = around === undefined || around === null ? (view.min + view.max) / 2 : around;
    const k = (c - view.min) / (view.max - view.min);
    setRange(c - span * k, c - span * k + span);
  }
  function setCursor(t) {
    view.cursor = t === null ? null : clamp(t, 0, END);
    schedule(false);
  }
  // Shows [t, end] or, without an end, moves the view just enough to hold t.
  function goTo(t, end) {
    if (end !== undefined && end !== null && end > t) {
      const pad = Math.max((end - t) * 0.35, END * 0.01);
      setRange(t - pad, end + pad);
    } else if (t < view.min || t > view.max) {
      const span = view.max - view.min;
      setRange(t - span * 0.3, t + span * 0.7);
    }
    setCursor(t);
    const top = $('timeline').getBoundingClientRect().top;
    if (top > innerHeight * 0.6 || top < -$('timeline').offsetHeight) $('timeline').scrollIntoView();
    remember();
    announce();
  }
  let rememberTimer = 0;
  function remember() {
    clearTimeout(rememberTimer);
    rememberTimer = setTimeout(() => {
      const p = new URLSearchParams();
      if (hash.get('theme')) p.set('theme', hash.get('theme'));
      if (view.min > 0 || view.max < END) {
        p.set('from', view.min.toFixed(1));
        p.set('to', view.max.toFixed(1));
      }
      if (view.cursor !== null) p.set('t', view.cursor.toFixed(1));
      try {
        history.replaceState(null, '', p.size ? '#' + p : location.pathname + location.search);
      } catch (e) { /* some viewers do not let a page change its address */ }
    }, 300);
  }

  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800,
    21600, 43200, 86400, 172800, 604800];
  function timeTicks() {
    const want = (view.max - view.min) / Math.max(2, plotWidth() / (geo.narrow ? 62 : 86));
    const step = STEPS.find((s) => s >= want) || STEPS[STEPS.length - 1];
    const ticks = [];
    for (let i = Math.ceil(view.min / step); i * step <= view.max + 1e-9; ++i) ticks.push(i * step);
    return {step, ticks};
  }

  const faults = data.marks.filter((m) => m.kind === 'fault');

  // Faults as bands and lines behind every chart.
  function drawFaults(ctx, x, top, bottom) {
    for (const f of faults) {
      const a = x(f.t);
      if (f.end !== undefined) {
        ctx.fillStyle = color('c-fault-band');
        ctx.fillRect(a, top, Math.max(1, x(f.end) - a), bottom - top);
      }
      ctx.fillStyle = color('c-fault-line');
      ctx.fillRect(Math.round(a), top, 1, bottom - top);
    }
  }

  // ---------------------------------------------------------------- panels

  const tip = $('tip');
  function hideTip() {
    tip.hidden = true;
  }
  function showTip(nodes, ev) {
    if (!nodes || !nodes.length) return hideTip();
    tip.replaceChildren(...nodes);
    tip.hidden = false;
    const r = tip.getBoundingClientRect();
    let x = ev.clientX + 16, y = ev.clientY + 18;
    if (x + r.width > innerWidth - 8) x = Math.max(8, ev.clientX - r.width - 16);
    if (y + r.height > innerHeight - 8) y = Math.max(8, ev.clientY - r.height - 14);
    tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }
  const swatch = (c, line) => h(line ? 'span.sw.line' : 'span.sw', {style: `background:${c}`});
  function tipTable(t, rows) {
    return [
      h('div.t', {}, fmtTime(t)),
      h('table', {}, rows.map(([c, name, value]) =>
        h('tr', {}, h('td', {}, c ? swatch(c) : '', name), h('td.n', {}, value)))),
    ];
  }

  class Panel {
    constructor(parent, title, desc) {
      this.title = h('h3', {}, title);
      this.desc = h('span.desc', {}, desc || '');
      this.legend = h('ul.legend', {});
      this.header = h('header', {}, this.title, this.desc, this.legend);
      this.plot = h('div.plot', {
        tabindex: 0, role: 'group', 'aria-roledescription': 'chart',
        'aria-label': `${title}. ${desc || ''} Arrow keys move the cursor, plus and minus zoom, Escape resets.`,
      });
      this.hair = h('div.xhair', {hidden: true});
      this.sel = h('div.sel', {hidden: true});
      this.body = h('div', {style: 'position:relative'}, this.plot, this.hair, this.sel);
      this.root = h('div.panel.card', {}, this.header, this.body);
      parent.append(this.root);
      this.bind();
      panels.push(this);
    }
    bind() {
      const plot = this.plot;
      let start = null, tap = null;
      const at = (ev) => ev.clientX - plot.getBoundingClientRect().left;
      plot.addEventListener('pointerdown', (ev) => {
        if (ev.button) return;
        const x = at(ev);
        if (x > geo.gutter + plotWidth() + 6) return;
        start = ev.pointerType === 'touch' ? null : x;
        setCursor(tOf(x));
        tap = ev.pointerType === 'touch' ? x : null;
        if (tap !== null) this.hover(ev, x);
      });
      plot.addEventListener('pointermove', (ev) => {
        const x = at(ev);
        if (start !== null && Math.abs(x - start) > 4) {
          if (!plot.hasPointerCapture(ev.pointerId)) plot.setPointerCapture(ev.pointerId);
          const a = clamp(Math.min(start, x), geo.gutter, geo.gutter + plotWidth());
          const b = clamp(Math.max(start, x), geo.gutter, geo.gutter + plotWidth());
          this.sel.hidden = false;
          this.sel.style.left = `${a}px`;
          this.sel.style.width = `${b - a}px`;
        }
        if (x >= geo.gutter - 2) setCursor(tOf(x));
        this.hover(ev, x);
      });
      plot.addEventListener('pointerup', (ev) => {
        const x = at(ev);
        if (start !== null && Math.abs(x - start) > 4) {
          setRange(tOf(Math.max(geo.gutter, Math.min(start, x))), tOf(Math.max(start, x)));
        } else if (start !== null) {
          this.click(ev, x);
        }
        if (tap !== null && Math.abs(x - tap) < 8) this.click(ev, x);
        start = tap = null;
        this.sel.hidden = true;
      });
      plot.addEventListener('pointercancel', () => {
        start = tap = null;
        this.sel.hidden = true;
      });
      plot.addEventListener('pointerleave', (ev) => {
        // A finger leaves the screen; what it showed stays until the next touch.
        if (ev.pointerType === 'touch') return;
        hideTip();
        if (start === null) setCursor(null);
      });
      plot.addEventListener('dblclick', () => setRange(0, END));
      plot.addEventListener('wheel', (ev) => {
        if (!ev.ctrlKey && !ev.metaKey) return;
        ev.preventDefault();
        zoom(ev.deltaY > 0 ? 1.25 : 0.8, tOf(at(ev)));
      }, {passive: false});
      plot.addEventListener('keydown', (ev) => this.key(ev));
    }
    key(ev) {
      const span = view.max - view.min;
      const c = view.cursor === null ? (view.min + view.max) / 2 : view.cursor;
      const move = {ArrowLeft: -1, ArrowRight: 1}[ev.key];
      if (move && ev.shiftKey) setRange(view.min + move * span * 0.25, view.max + move * span * 0.25);
      else if (move) goTo(this.step(c, move, span));
      else if (ev.key === 'Home') goTo(view.min);
      else if (ev.key === 'End') goTo(view.max);
      else if (ev.key === '+' || ev.key === '=') zoom(0.5, c);
      else if (ev.key === '-') zoom(2, c);
      else if (ev.key === 'Escape' || ev.key === '0') setRange(0, END);
      else return;
      ev.preventDefault();
      hideTip();
    }
    step(c, move, span) {
      return clamp(c + (move * span) / 100, 0, END);
    }
    hover(ev, x) {
      const y = ev.clientY - this.plot.getBoundingClientRect().top;
      showTip(this.tipAt(clamp(tOf(x), view.min, view.max), x, y), ev);
    }
    tipAt() {
      return null;
    }
    click() {}
    layout() {}
    draw() {}
    cursor() {
      const t = view.cursor;
      const visible = t !== null && t >= view.min && t <= view.max;
      this.hair.hidden = !visible;
      if (visible) this.hair.style.left = `${Math.round(xOf(t))}px`;
      this.values(t);
    }
    values() {}
    // What the live region says of this panel at t.
    words() {
      return '';
    }
  }

  // Gives a column values at the times of the others, where the line between its own points is: a
  // chart draws from the points in view and one beside them only.
  function fill(ts, v, step) {
    let last = -1;
    for (let i = 0; i < v.length; ++i) {
      if (v[i] === undefined) continue;
      if (last >= 0 && v[last] !== null) {
        for (let k = last + 1; k < i; ++k) {
          if (step) v[k] = v[last];
          else if (v[i] !== null) v[k] = v[last] + ((v[i] - v[last]) * (ts[k] - ts[last])) / (ts[i] - ts[last]);
        }
      }
      last = i;
    }
  }

  // ---------------------------------------------------------------- line charts (uPlot)

  // lines: [{name, series, color, fill, width, dash}]; options: {height, log, unit, stack}
  class ChartPanel extends Panel {
    constructor(parent, title, desc, options) {
      super(parent, title, desc);
      this.options = {height: 190, ...options};
      this.lines = this.drawn = [];
    }
    setLines(lines) {
      this.lines = lines.filter((l) => l.series);
      this.drawn = this.lines.filter((l) => !l.hidden);
      this.root.hidden = !this.lines.length;
      this.legendValues = [];
      this.legend.replaceChildren(...this.lines.map((l) => {
        const v = h('span.v', {}, '');
        this.legendValues.push(v);
        return h('li', {}, l.hidden ? '' : h(l.fill ? 'span.sw' : 'span.sw.line', {style: `background:var(--${l.color})`}), l.name, v);
      }));
      this.legend.hidden = this.lines.length < 2 && !this.options.always;
      this.build();
    }
    table() {
      const log = this.options.log;
      const tables = this.drawn.map((l) => {
        const s = l.series;
        const t = s.t.slice();
        const v = log ? s.v.map((y) => (y > 0 ? y : null)) : s.v.slice();
        // A step holds until the end; a bucket until the next one would have started.
        const last = t.length - 1;
        if (s.step && last >= 0 && t[last] < END) {
          t.push(END);
          v.push(v[last]);
        }
        return [t, v];
      });
      if (this.options.stack) {
        for (let i = tables.length - 2; i >= 0; --i) {
          const above = {t: tables[i + 1][0], v: tables[i + 1][1]};
          const mine = {t: tables[i][0], v: tables[i][1]};
          const ts = [...new Set([...above.t, ...mine.t])].sort((a, b) => a - b);
          tables[i] = [ts, ts.map((t) => (valueAt(mine, t) || 0) + (valueAt(above, t) || 0))];
        }
      }
      const [ts, ...columns] = uPlot.join(tables);
      columns.forEach((v, i) => fill(ts, v, this.drawn[i].series.step));
      return [ts, ...columns];
    }
    build() {
      if (this.u) this.u.destroy();
      this.u = null;
      if (!this.lines.length || this.root.hidden) return;
      const panel = this;
      const log = this.options.log;
      const font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
      const axis = {stroke: () => color('c-axis'), font, grid: {stroke: () => color('c-grid'), width: 1}, ticks: {show: false}};
      this.u = new uPlot({
        width: geo.width,
        height: this.options.height,
        padding: [10, geo.right, 0, 0],
        legend: {show: false},
        cursor: {show: false},
        select: {show: false},
        scales: {
          x: {time: false, range: () => [view.min, view.max]},
          y: log ? {distr: 3, log: 10, range: (u, lo, hi) => panel.logRange(lo, hi)}
            : {range: (u, lo, hi) => [0, panel.niceMax(hi)]},
        },
        axes: [
          {...axis, size: 26, gap: 6, splits: () => timeTicks().ticks,
            values: (u, splits) => splits.map((t) => fmtTime(t, timeTicks().step))},
          {...axis, size: geo.gutter, gap: 8, space: 34,
            values: (u, splits) => splits.map((v) => panel.tick(v))},
        ],
        series: [{}, ...this.drawn.map((l) => ({
          stroke: () => color(l.color),
          fill: l.fill ? () => color(l.fill) : undefined,
          width: l.width === undefined ? 1.8 : l.width,
          dash: l.dash,
          points: {show: false},
          fillTo: log ? undefined : 0,
          paths: l.series.step ? uPlot.paths.stepped({align: 1}) : undefined,
        }))],
        hooks: {drawClear: [(u) => {
          const {left, top, width, height} = u.bbox;
          u.ctx.save();
          u.ctx.beginPath();
          u.ctx.rect(left, top, width, height);
          u.ctx.clip();
          drawFaults(u.ctx, (t) => u.valToPos(t, 'x', true), top, top + height);
          u.ctx.restore();
        }]},
      }, this.table(), this.plot);
    }
    niceMax(hi) {
      if (!(hi > 0)) return 1;
      const f = 10 ** Math.floor(Math.log10(hi));
      const k = (hi * 1.05) / f;
      return f * [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12].find((x) => x >= k);
    }
    logRange(lo, hi) {
      if (!(hi > 0)) return [1, 10];
      return [10 ** Math.floor(Math.log10(lo)), Math.max(hi * 1.25, 10 ** Math.floor(Math.log10(lo)) * 10)];
    }
    tick(v) {
      if (v === null) return '';
      if (this.options.log && !/^1(0*)$|^0\.0*1$/.test(String(v)) && !/^[25]/.test(String(v))) return '';
      if (this.options.unit === 'ms' && v >= 1000) return fmtNum(v / 1000) + '\u202fs';
      const [n, u] = parts(v, this.options.unit);
      const short = ['%', 'ms', 's', '/h'].includes(u) ? (u === '/h' ? '' : '\u202f' + u) : '';
      return n + short;
    }
    layout() {
      this.build();
    }
    draw() {
      if (!this.u) return;
      this.u.setScale('x', {min: view.min, max: view.max});
      this.u.redraw(true, true);
    }
    values(t) {
      this.lines.forEach((l, i) => {
        this.legendValues[i].textContent = t === null ? '' : fmtValue(valueAt(l.series, t), l.series.unit);
      });
    }
    tipAt(t) {
      return tipTable(t, this.lines.map((l) => [l.hidden ? '' : color(l.color), l.name, fmtValue(valueAt(l.series, t), l.series.unit)]));
    }
    words(t) {
      return this.lines.map((l) => `${l.name} ${fmtValue(valueAt(l.series, t), l.series.unit)}`).join(', ');
    }
  }

  // ---------------------------------------------------------------- canvas panels

  const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
  const SMALL = '11px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

  class CanvasPanel extends Panel {
    constructor(parent, title, desc) {
      super(parent, title, desc);
      this.canvas = h('canvas', {'aria-hidden': 'true'});
      this.plot.append(this.canvas);
      this.ctx = this.canvas.getContext('2d');
    }
    // Height of what is shown, in CSS pixels.
    height() {
      return 100;
    }
    draw() {
      if (this.root.hidden) return;
      const height = Math.max(1, Math.round(this.height()));
      const width = Math.max(1, this.canvasWidth ? this.canvasWidth() : geo.width);
      const k = devicePixelRatio || 1;
      if (this.canvas.width !== Math.round(width * k) || this.canvas.height !== Math.round(height * k)) {
        this.canvas.width = Math.round(width * k);
        this.canvas.height = Math.round(height * k);
        this.canvas.style.width = `${width}px`;
        this.canvas.style.height = `${height}px`;
      }
      const ctx = this.ctx;
      ctx.setTransform(k, 0, 0, k, 0, 0);
      ctx.clearRect(0, 0, width, height);
      ctx.textBaseline = 'middle';
      this.paint(ctx, width, height);
    }
    layout() {
      this.draw();
    }
    clipPlot(ctx, top, bottom) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(geo.gutter, top, plotWidth(), bottom - top);
      ctx.clip();
    }
    // Grid lines and the time axis in the last 24 pixels.
    axis(ctx, top, bottom) {
      const {step, ticks} = timeTicks();
      ctx.fillStyle = color('c-grid');
      for (const t of ticks) ctx.fillRect(Math.round(xOf(t)), top, 1, bottom - top);
      ctx.font = FONT;
      ctx.fillStyle = color('c-axis');
      ctx.textAlign = 'center';
      for (const t of ticks) {
        const text = fmtTime(t, step);
        const half = ctx.measureText(text).width / 2;
        ctx.fillText(text, clamp(xOf(t), half + 1, geo.width - half - 1), bottom + 13);
      }
    }
    // Text that fits into `room`, shortened in the middle.
    fit(ctx, text, room) {
      if (ctx.measureText(text).width <= room) return text;
      let n = text.length;
      while (n > 3) {
        n -= 1;
        const head = Math.ceil(n * 0.45);
        const s = text.slice(0, head) + '…' + text.slice(text.length - (n - head));
        if (ctx.measureText(s).width <= room) return s;
      }
      return '';
    }
  }

  // ---------------------------------------------------------------- faults and actions

  const KINDS = [
    ['fault', 'Faults', 'c-6'],
    ['incident', 'Effects', 'c-4'],
    ['action', 'Actions', 'c-1'],
    ['scale', 'Scaling', 'c-2'],
    ['recovery', 'Healing', 'c-3'],
  ];

  function drawShape(ctx, kind, x, y, r) {
    ctx.beginPath();
    if (kind === 'fault') {
      ctx.moveTo(x, y - r);
      ctx.lineTo(x + r, y + r * 0.85);
      ctx.lineTo(x - r, y + r * 0.85);
    } else if (kind === 'scale') {
      ctx.moveTo(x, y - r);
      ctx.lineTo(x + r, y);
      ctx.lineTo(x, y + r);
      ctx.lineTo(x - r, y);
    } else if (kind === 'action') {
      ctx.rect(x - r * 0.8, y - r * 0.8, r * 1.6, r * 1.6);
    } else if (kind === 'incident') {
      for (let i = 0; i < 4; ++i) {
        const a = Math.PI / 4 + (i * Math.PI) / 2;
        ctx.moveTo(x, y);
        ctx.lineTo(x + Math.cos(a) * r * 1.2, y + Math.sin(a) * r * 1.2);
      }
      ctx.lineWidth = 2.4;
      ctx.strokeStyle = ctx.fillStyle;
      ctx.stroke();
      return;
    } else {
      ctx.arc(x, y, r * 0.85, 0, 7);
    }
    ctx.closePath();
    ctx.fill();
  }

  class MarksPanel extends CanvasPanel {
    constructor(parent) {
      super(parent, 'Faults and actions', data.marks.length ? '' : 'Nothing was done to this cluster.');
      this.rows = [];
      for (const [kind, label, c] of KINDS) {
        const marks = data.marks.filter((m) => m.kind === kind);
        if (!marks.length) continue;
        // Marks that last get a row below one that is still going on.
        const lanes = [];
        for (const m of marks) {
          let lane = lanes.findIndex((end) => end <= m.t);
          if (lane < 0) lane = lanes.length < 4 ? lanes.length : 3;
          lanes[lane] = m.end === undefined ? m.t : m.end;
          const k = lane;
          if (!this.rows.find((r) => r.kind === kind && r.lane === k)) {
            this.rows.push({kind, lane: k, label: k ? '' : label, color: c, marks: []});
          }
          this.rows.find((r) => r.kind === kind && r.lane === k).marks.push(m);
        }
      }
      this.root.hidden = !this.rows.length;
      this.row = 24;
      this.hits = [];
    }
    height() {
      return this.rows.length * this.row + 30;
    }
    paint(ctx, width, height) {
      const bottom = height - 26;
      this.axis(ctx, 4, bottom);
      this.hits = [];
      this.rows.forEach((row, i) => {
        const y = 4 + i * this.row + this.row / 2;
        if (row.label) {
          ctx.font = FONT;
          ctx.textAlign = 'right';
          ctx.fillStyle = color('c-axis');
          ctx.fillText(row.label, geo.gutter - 10, y);
        }
        this.clipPlot(ctx, 0, bottom);
        ctx.font = SMALL;
        ctx.textAlign = 'left';
        const seen = row.marks.filter((m) => (m.end === undefined ? m.t : m.end) >= view.min && m.t <= view.max);
        let free = geo.gutter;  // where the words so far end
        seen.forEach((m, k) => {
          const x = xOf(m.t);
          const end = m.end === undefined ? x : xOf(m.end);
          if (m.end !== undefined) {
            ctx.fillStyle = color(row.color);
            ctx.globalAlpha = 0.25;
            ctx.fillRect(x, y - 8, Math.max(2, end - x), 16);
            ctx.globalAlpha = 1;
          }
          ctx.fillStyle = color(row.color);
          const sx = clamp(x, geo.gutter + 6, Math.max(geo.gutter + 6, end));
          drawShape(ctx, m.kind, sx, y, 5.5);
          // The words stand where nothing else does.
          const next = k + 1 < seen.length ? xOf(seen[k + 1].t) - 8 : geo.gutter + plotWidth();
          const w = ctx.measureText(m.title).width;
          if (sx + 10 + w <= next) {
            ctx.fillStyle = color('text');
            ctx.fillText(m.title, sx + 10, y + 0.5);
            free = sx + 10 + w;
          } else if (sx - 20 - w > free) {
            ctx.fillStyle = color('text');
            ctx.fillText(m.title, sx - 10 - w, y + 0.5);
            free = sx + 8;
          } else {
            free = Math.max(free, sx + 8);
          }
          this.hits.push({m, x0: x - 8, x1: Math.max(end, x + 8), y});
        });
        ctx.restore();
      });
    }
    near(x, y) {
      let best = null, d = 1e9;
      for (const hit of this.hits) {
        if (y !== null && Math.abs(hit.y - y) > this.row / 2) continue;
        const dx = x < hit.x0 ? hit.x0 - x : x > hit.x1 ? x - hit.x1 : Math.abs(x - hit.x0 - 8) / 1e3;
        if (dx < d) {
          d = dx;
          best = hit;
        }
      }
      return d <= 6 ? best.m : null;
    }
    tipAt(t, x, y) {
      const m = this.near(x, y);
      this.plot.style.cursor = m ? 'pointer' : '';
      return m ? markTip(m) : null;
    }
    click(ev, x) {
      const m = this.near(x, ev.clientY - this.plot.getBoundingClientRect().top);
      if (m) goTo(m.t, m.end);
    }
    step(c, move) {
      const times = data.marks.map((m) => m.t);
      const next = move > 0 ? times.find((t) => t > c + 1e-6) : times.filter((t) => t < c - 1e-6).pop();
      return next === undefined ? c : next;
    }
    words(t) {
      return data.marks.filter((m) => Math.abs(m.t - t) < 1e-3).map((m) => `${m.kind}: ${m.title}. ${m.detail || ''}`).join(' ');
    }
  }
  function markTip(m) {
    return [
      h('div.t', {}, fmtTime(m.t) + (m.end !== undefined ? ` to ${fmtTime(m.end)}` : '') + ` · ${m.kind}`),
      h('b', {}, m.title),
      m.detail ? h('div', {}, m.detail) : '',
      m.object ? h('div.t.mono', {}, m.object) : '',
    ];
  }

  // ---------------------------------------------------------------- strips: one small chart a row

  // rows: [{name, area: [{series, color}...] drawn on top of each other, line: {series, color},
  //         unit, note}]
  class StripsPanel extends CanvasPanel {
    constructor(parent, title, desc, options) {
      super(parent, title, desc);
      this.options = options;
      this.rows = [];
      this.shown = 12;
      this.more = h('button.btn', {type: 'button', style: 'margin:4px 16px 8px', onclick: () => {
        this.shown = this.shown === 12 ? 1e9 : 12;
        this.setRows(this.allRows);
        this.draw();
      }}, '');
      this.root.append(this.more);
    }
    setRows(rows) {
      this.allRows = rows;
      this.rows = rows.slice(0, this.shown);
      this.more.hidden = rows.length <= 12;
      this.more.textContent = this.shown === 12 ? `Show all ${rows.length}` : 'Show fewer';
      this.root.hidden = !rows.length;
      for (const r of rows) {
        r.max = Math.max(1e-9, ...r.areas.map((a) => maxOf(a.series)), r.line ? maxOf(r.line.series) : 0);
      }
      this.legend.replaceChildren(...this.options.legend.map(([name, c, line]) =>
        h('li', {}, h(line ? 'span.sw.line' : 'span.sw', {style: `background:var(--${c})`}), name)));
    }
    rowHeight() {
      return geo.narrow ? 46 : 34;
    }
    height() {
      return this.rows.length * this.rowHeight() + 30;
    }
    path(ctx, s, y, scale, close) {
      const from = Math.max(0, indexAt(s.t, view.min));
      let pen = false, lastY = 0, lastX = 0, startX = 0;
      const finish = () => {
        if (pen && close) {
          ctx.lineTo(lastX, y);
          ctx.lineTo(startX, y);
        }
        pen = false;
      };
      const per = (view.max - view.min) / plotWidth();
      for (let i = from; i < s.t.length; ++i) {
        const v = s.v[i];
        const x = xOf(s.t[i]);
        if (v === null) {
          if (pen && s.step) ctx.lineTo(x, lastY);
          lastX = x;
          finish();
          continue;
        }
        const py = y - v * scale;
        if (!pen) {
          ctx.moveTo(x, close ? y : py);
          startX = x;
          pen = true;
        } else if (s.step) {
          ctx.lineTo(x, lastY);
        }
        ctx.lineTo(x, py);
        lastY = py;
        lastX = x;
        if (s.t[i] > view.max + per) break;
      }
      if (pen && s.step && lastX < xOf(END)) {
        lastX = xOf(END);
        ctx.lineTo(lastX, lastY);
      }
      finish();
    }
    paint(ctx, width, height) {
      const rh = this.rowHeight();
      const bottom = height - 26;
      this.axis(ctx, 2, bottom);
      this.clipPlot(ctx, 0, bottom);
      drawFaults(ctx, xOf, 2, bottom);
      ctx.restore();
      this.rows.forEach((row, i) => {
        const top = 2 + i * rh;
        const base = top + rh - 3;
        const tall = (geo.narrow ? rh - 20 : rh - 9);
        const scale = tall / row.max;
        ctx.fillStyle = color('line');
        ctx.fillRect(geo.narrow ? 12 : geo.gutter, base, geo.width - geo.right - (geo.narrow ? 12 : geo.gutter), 1);
        this.clipPlot(ctx, top, base);
        for (const area of row.areas) {
          ctx.fillStyle = color(area.color);
          ctx.beginPath();
          this.path(ctx, area.series, base, scale, true);
          ctx.fill();
        }
        if (row.line) {
          ctx.strokeStyle = color(row.line.color);
          ctx.lineWidth = 1.6;
          ctx.beginPath();
          this.path(ctx, row.line.series, base, scale, false);
          ctx.stroke();
        }
        ctx.restore();
        const selected = this.options.selected && this.options.selected(row);
        ctx.font = selected ? '600 ' + FONT : FONT;
        ctx.fillStyle = selected ? color('link') : color('text');
        if (geo.narrow) {
          ctx.textAlign = 'left';
          ctx.fillText(this.fit(ctx, row.name, geo.width - 120), 12, top + 8);
          ctx.textAlign = 'right';
          ctx.fillStyle = color('muted');
          ctx.fillText(row.note, geo.width - geo.right, top + 8);
        } else {
          ctx.textAlign = 'right';
          ctx.fillText(this.fit(ctx, row.name, geo.gutter - 18), geo.gutter - 10, base - tall + 9);
          ctx.font = SMALL;
          ctx.fillStyle = color('muted');
          ctx.fillText(row.note, geo.gutter - 10, base - 4);
        }
      });
    }
    rowAt(y) {
      return this.rows[Math.floor((y - 2) / this.rowHeight())];
    }
    tipAt(t, x, y) {
      const row = this.rowAt(y);
      this.plot.style.cursor = row && this.options.pick ? 'pointer' : '';
      if (!row) return null;
      const lines = [...(row.line ? [row.line] : []), ...row.areas];
      return [h('b', {}, row.name), ...tipTable(t, lines.map((l) => [color(l.color), l.name, fmtValue(valueAt(l.series, t), l.series.unit)]))];
    }
    click(ev) {
      const row = this.rowAt(ev.clientY - this.plot.getBoundingClientRect().top);
      if (row && this.options.pick) this.options.pick(row);
    }
    words(t) {
      return this.rows.map((r) => `${r.name} ` + [...(r.line ? [r.line] : []), ...r.areas].map((l) => `${l.name} ${fmtNum(valueAt(l.series, t))}`).join(' ')).join('; ');
    }
  }

  // ---------------------------------------------------------------- lanes: nodes and pods

  const NODE_STATES = {
    booting: ['booting', 's-starting'], ready: ['ready', 's-ready'], notReady: ['not ready', 's-notready'],
    unreachable: ['unreachable', 's-crash'], cordoned: ['cordoned', 's-pending'], gone: ['gone', 's-gone'],
  };
  const POD_STATES = {
    pending: ['pending', 's-pending'], starting: ['starting', 's-starting'], ready: ['ready', 's-ready'],
    notReady: ['not ready', 's-notready'], crashLoop: ['crash loop', 's-crash'],
    terminating: ['terminating', 's-terminating'], succeeded: ['succeeded', 's-succeeded'],
    failed: ['failed', 's-failed'],
  };

  class LanesPanel extends CanvasPanel {
    // options: {states, order (names of states as in the data), group(row), maxHeight}
    constructor(parent, title, desc, options) {
      super(parent, title, desc);
      this.options = options;
      this.plot.classList.add('scroller');
      this.spacer = h('div', {style: 'width:1px'});
      this.plot.append(this.spacer);
      this.plot.addEventListener('scroll', () => {
        hideTip();
        this.draw();
      });
      this.setRows([]);
    }
    setRows(rows) {
      this.items = [];
      let last;
      for (const row of rows) {
        const g = this.options.group(row);
        if (g !== last) this.items.push({header: g, size: 0});
        last = g;
        this.items.push({row});
      }
      const counts = new Map();
      for (const row of rows) {
        const g = this.options.group(row);
        counts.set(g, (counts.get(g) || 0) + 1);
      }
      for (const it of this.items) if (it.header !== undefined) it.size = counts.get(it.header);
      const used = new Set(rows.flatMap((r) => r.s.map((s) => this.options.order[s[2]])));
      this.legend.replaceChildren(...this.options.order.filter((s) => used.has(s)).map((s) =>
        h('li', {}, h('span.sw', {style: `background:var(--${this.options.states[s][1]})`}), this.options.states[s][0])));
      this.place();
    }
    place() {
      // Many rows become a heat map without names; the filter brings the names back.
      const n = this.items.length;
      const rh = n > 400 ? 3 : n > 120 ? 6 : geo.narrow ? 25 : 16, hh = 24;
      this.named = rh > 10;
      let y = 2;
      for (const it of this.items) {
        it.y = y;
        it.h = it.row ? rh : hh;
        y += it.h;
      }
      this.total = y + 2;
    }
    height() {
      const room = document.body.classList.contains('printing') ? 860 : this.options.maxHeight;
      return Math.min(this.total + 28, room);
    }
    canvasWidth() {
      return this.plot.clientWidth || geo.width;
    }
    layout() {
      this.place();
      this.draw();
    }
    draw() {
      const shown = this.height();
      const scrolls = this.total + 28 > shown;
      this.plot.style.height = `${shown}px`;
      this.spacer.style.height = `${Math.max(0, this.total + 28 - shown)}px`;
      this.plot.style.overflowY = scrolls ? 'auto' : 'hidden';
      super.draw();
    }
    paint(ctx, width, height) {
      const bottom = height - 26;
      const off = this.plot.scrollTop;
      this.axis(ctx, 0, bottom);
      this.clipPlot(ctx, 0, bottom);
      drawFaults(ctx, xOf, 0, bottom);
      ctx.restore();
      ctx.save();
      ctx.beginPath();
      ctx.rect(0, 0, width, bottom);
      ctx.clip();
      for (const it of this.items) {
        const y = it.y - off;
        if (y + it.h < 0 || y > bottom) continue;
        if (!it.row) {
          ctx.font = '600 ' + FONT;
          ctx.textAlign = 'left';
          ctx.fillStyle = color('card');
          ctx.fillRect(0, y, width, it.h);
          ctx.fillStyle = color('text');
          const name = this.fit(ctx, it.header || '(none)', width - 80);
          ctx.fillText(name, 14, y + it.h / 2 + 2);
          const w = ctx.measureText(name).width;
          ctx.font = FONT;
          ctx.fillStyle = color('muted');
          ctx.fillText(String(it.size), 14 + w + 8, y + it.h / 2 + 2);
          continue;
        }
        ctx.font = SMALL;
        const gap = this.named ? 2 : 0.5;
        const top = this.named && geo.narrow ? y + 12 : y + gap;
        const tall = this.named && geo.narrow ? 11 : it.h - 2 * gap;
        ctx.fillStyle = color('muted');
        if (!this.named) {
          // The name is in the tooltip.
        } else if (geo.narrow) {
          ctx.textAlign = 'left';
          ctx.fillText(this.fit(ctx, it.row.n, width - 30), 14, y + 6);
        } else {
          ctx.textAlign = 'right';
          ctx.fillText(this.fit(ctx, it.row.n, geo.gutter - 24), geo.gutter - 10, y + it.h / 2 + 0.5);
        }
        const left = geo.gutter, right = geo.gutter + plotWidth();
        for (const [a, b, s] of it.row.s) {
          if (b < view.min || a > view.max) continue;
          const x0 = Math.max(left, xOf(a)), x1 = Math.min(right, xOf(b));
          const state = this.options.order[s];
          ctx.fillStyle = color(this.options.states[state][1]);
          const thin = state === 'terminating' || state === 'gone';
          ctx.fillRect(x0, thin ? top + tall * 0.3 : top, Math.max(1, x1 - x0), thin ? tall * 0.4 : tall);
        }
      }
      ctx.restore();
    }
    itemAt(y) {
      const at = y + this.plot.scrollTop;
      return this.items.find((it) => it.row && at >= it.y && at < it.y + it.h);
    }
    tipAt(t, x, y) {
      if (y > this.height() - 26) return null;
      const it = this.itemAt(y);
      if (!it) return null;
      const seg = it.row.s.find(([a, b]) => t >= a && t <= b);
      const lines = [h('b', {}, it.row.n)];
      if (x >= geo.gutter && seg) {
        const [label, c] = this.options.states[this.options.order[seg[2]]];
        lines.push(h('div', {}, swatch(color(c)), label + (seg[3] ? `: ${seg[3]}` : '')));
        lines.push(h('div.t', {}, `${fmtTime(seg[0])} to ${fmtTime(seg[1])} (${fmtTime(seg[1] - seg[0])})`));
      } else if (x >= geo.gutter) {
        lines.push(h('div.t', {}, `${fmtTime(t)}: does not exist`));
      }
      lines.push(...this.options.about(it.row).map((s) => h('div.t', {}, s)));
      return lines;
    }
    words(t) {
      const counts = new Map();
      for (const it of this.items) {
        const seg = it.row && it.row.s.find(([a, b]) => t >= a && (t < b || b >= END));
        if (seg) {
          const s = this.options.states[this.options.order[seg[2]]][0];
          counts.set(s, (counts.get(s) || 0) + 1);
        }
      }
      return [...counts].map(([s, n]) => `${n} ${s}`).join(', ');
    }
  }

  // ---------------------------------------------------------------- the head of the page

  const meta = data.meta;
  const failed = data.expectations.filter((e) => e.outcome === 'failed').length;
  const held = data.expectations.filter((e) => e.outcome === 'passed').length;
  const total = data.expectations.length;

  function verdict() {
    if (failed) return ['bad', 'Failed', `${failed} of ${plural(total, 'expectation')} failed`];
    if (meta.interrupted) return ['warning', 'Interrupted', `stopped at ${fmtTime(meta.endedSeconds)} of ${fmtTime(meta.horizonSeconds)}`];
    if (!total) return ['info', 'Finished', 'no expectations'];
    return ['good', 'Passed', held === total ? (total === 1 ? 'the expectation holds' : `all ${total} expectations hold`) : `${held} of ${plural(total, 'expectation')} hold, the others could not be checked`];
  }

  function buildHead() {
    const [tone, word, more] = verdict();
    $('bar-name').textContent = meta.scenario;
    $('bar-verdict').append(h(`span.pill.${tone}`, {}, word));
    const fact = (k, v) => (v ? h('div', {}, h('dt', {}, k), h('dd', {}, v)) : '');
    const speed = meta.wallSeconds > 0
      ? `${fmtValue(meta.wallSeconds, 's')}, ${fmtNum(Math.round(meta.endedSeconds / meta.wallSeconds))} × real time` : '';
    $('hero').append(
      h('div', {style: 'display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center'}, h('h1', {}, meta.scenario),
        h(`span.pill.${tone}`, {}, `${word}: ${more}`)),
      h('p.desc', {}, meta.description),
      h('dl.facts', {}, fact('simulated', fmtTime(meta.endedSeconds)), fact('starting', fmtClock(0)), fact('took', speed),
        fact('events', meta.events ? fmtNum(meta.events) : ''), fact('seed', meta.seed), fact('version', meta.version),
        fact('digest', h('span.mono', {}, meta.digest))));
    if (meta.reproduce) {
      const copy = h('button.btn', {type: 'button', 'aria-label': 'Copy the command'}, 'Copy');
      copy.addEventListener('click', () => {
        const done = () => {
          copy.textContent = 'Copied';
          setTimeout(() => (copy.textContent = 'Copy'), 1500);
        };
        if (navigator.clipboard) navigator.clipboard.writeText(meta.reproduce).then(done, () => {});
      });
      $('hero').append(h('div.reproduce', {}, h('code', {tabindex: 0, 'aria-label': 'Command that reproduces this run'}, meta.reproduce), copy));
    }
    $('numbers').append(...data.numbers.map((n) => {
      const [v, u] = parts(n.value, n.unit);
      return h(`div.number.${n.tone}`, {}, h('div.label', {}, n.label), h('div.value', {}, v, u ? h('small', {}, u) : ''),
        h('div.detail', {}, n.detail));
    }));
    $('numbers').hidden = !data.numbers.length;
  }

  function timeLink(t, end, text, quiet) {
    return h(quiet ? 'button.tlink.quiet' : 'button.tlink', {type: 'button', 'aria-label': `${text || fmtTime(t)}: show on the timeline`,
      onclick: () => goTo(t, end)}, text || fmtTime(t));
  }

  function buildExpectations() {
    const root = $('expectations');
    root.append(h('div.head', {}, h('h2', {id: 'h-expectations'}, 'Expectations')));
    if (!total) {
      root.append(h('p.muted', {}, 'The scenario expects nothing, so nothing can fail.'));
      return;
    }
    const tone = {passed: 'good', failed: 'bad', notEvaluated: 'info'};
    const word = {passed: 'holds', failed: 'fails', notEvaluated: 'not checked'};
    const OPS = {'>=': '≥', '<=': '≤', '==': '='};
    root.append(h('div.card', {}, h('table.checks', {},
      h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, h('span.sr', {}, 'Outcome')), h('th', {scope: 'col'}, 'What is expected'),
        h('th.num', {scope: 'col'}, 'Measured'), h('th.num', {scope: 'col'}, 'Bound'), h('th', {scope: 'col'}, 'How'))),
      h('tbody', {}, data.expectations.map((e) => h(e.outcome === 'failed' ? 'tr.failed' : 'tr', {},
        h(`td.tone-${tone[e.outcome]}`, {style: 'width:44px'}, icon(tone[e.outcome], word[e.outcome])),
        h('td.name', {}, e.name),
        h(`td.num${e.outcome === 'failed' ? '.tone-bad' : ''}`, {'data-label': 'measured'}, h('b', {}, e.measured === undefined ? '–' : fmtValue(e.measured, e.unit))),
        h('td.num', {'data-label': 'bound'}, `${OPS[e.op] || e.op} ${fmtValue(e.bound, e.unit)}`),
        h('td.why', {}, e.explanation, e.explanation && e.t !== undefined ? '; ' : '',
          e.t !== undefined ? timeLink(e.t, undefined, `first at ${fmtTime(e.t)}`, true) : '')))))));
  }

  let storyItems = [];
  function buildStory() {
    const root = $('story');
    if (!data.story.length) {
      root.hidden = true;
      document.querySelector('.split').style.gridTemplateColumns = 'minmax(0, 1fr)';
      return;
    }
    root.append(h('div.head', {}, h('h2', {id: 'h-story'}, 'What happened and why')));
    const marks = new Map(data.marks.map((m) => [m.id, m]));
    const reason = (r) => {
      const m = r.mark ? marks.get(r.mark) : undefined;
      const t = r.t !== undefined ? r.t : m ? m.t : undefined;
      return h('li', {title: r.object || (m && m.object)}, r.text, t !== undefined ? ' ' : '',
        t !== undefined ? timeLink(t, m && m.end, fmtTime(t), true) : '');
    };
    const list = h('ol.story.card', {tabindex: 0, 'aria-label': 'What happened, in order'}, data.story.map((s) => {
      const li = h('li', {}, h(`span.tone-${s.severity}`, {}, icon(s.severity, s.severity)),
        h('div', {}, h('div.when', {}, timeLink(s.t, s.end, s.end !== undefined ? `${fmtTime(s.t)} – ${fmtTime(s.end)}` : undefined)),
          h('p', {}, s.text), s.because.length ? h('ul.because', {}, s.because.map(reason)) : ''));
      storyItems.push({t: s.t, li});
      return li;
    }));
    root.append(list);
  }

  // ---------------------------------------------------------------- the timeline

  let now;
  function showNow() {
    if (!now) return;
    if (view.cursor === null) {
      now.replaceChildren(view.min > 0 || view.max < END ? `${fmtTime(view.min)} to ${fmtTime(view.max)}` : `${fmtTime(END)} in all; ${matchMedia('(hover: hover)').matches ? 'drag' : 'press +'} to zoom`);
    } else {
      now.replaceChildren(h('b', {}, fmtTime(view.cursor)), ` · ${fmtClock(view.cursor)}`);
    }
    let current = null;
    if (view.cursor !== null) for (const s of storyItems) if (s.t <= view.cursor + 0.5) current = s;
    for (const s of storyItems) s.li.classList.toggle('current', s === current);
    if (current && document.activeElement !== current.li.parentNode && !current.li.parentNode.matches(':hover')) {
      const box = current.li.parentNode;
      const top = current.li.offsetTop - box.offsetTop;
      if (box.scrollHeight > box.clientHeight && (top < box.scrollTop || top + current.li.offsetHeight > box.scrollTop + box.clientHeight)) {
        box.scrollTop = top - 40;
      }
    }
    for (const b of document.querySelectorAll('[data-needs-zoom]')) b.disabled = view.min <= 0 && view.max >= END;
  }
  function announce() {
    const p = panels.find((q) => q.plot === document.activeElement);
    const t = view.cursor;
    if (p && t !== null) $('live').textContent = `${fmtTime(t)}. ${p.words(t)}`;
  }

  let service = data.focusService;
  let charts = {};

  function services() {
    const names = new Set();
    for (const m of ['requests_ok', 'latency_p99', 'requests_failed']) for (const s of of(m)) if (s.labels.service) names.add(s.labels.service);
    return [...names].sort();
  }
  function setService(name) {
    service = name;
    const pick = (m) => find(m, 'service', name) || (name ? undefined : sumSeries(of(m)));
    charts.rate.setLines([
      {name: 'answered', series: pick('requests_ok'), color: 'c-ok', fill: 'c-ok-fill'},
      {name: 'failed', series: pick('requests_failed'), color: 'c-fail', fill: 'c-fail-fill', width: 1},
    ]);
    charts.latency.setLines([
      {name: 'p50', series: pick('latency_p50'), color: 'c-p50'},
      {name: 'p90', series: pick('latency_p90'), color: 'c-p90'},
      {name: 'p99', series: pick('latency_p99'), color: 'c-p99', width: 2},
    ]);
    charts.rate.desc.textContent = charts.latency.desc.textContent = name ? `of ${name}` : '';
    if (charts.select) charts.select.value = name;
    redrawAll();
  }

  function buildTimeline() {
    const root = $('timeline');
    now = h('span.now', {'aria-live': 'off'});
    const button = (text, label, action, needs) => h('button.btn', {type: 'button', 'aria-label': label, title: label, onclick: action,
      'data-needs-zoom': needs}, text);
    root.append(h('div.tools', {}, h('h2', {id: 'h-timeline'}, 'Timeline'), now,
      h('span.group', {role: 'group', 'aria-label': 'Zoom'},
        button('‹', 'Earlier', () => setRange(view.min - (view.max - view.min) / 4, view.max - (view.max - view.min) / 4), true),
        button('−', 'Zoom out', () => zoom(2, view.cursor), true),
        button('+', 'Zoom in', () => zoom(0.5, view.cursor)),
        button('›', 'Later', () => setRange(view.min + (view.max - view.min) / 4, view.max + (view.max - view.min) / 4), true),
        button('All', 'Show the whole run', () => setRange(0, END), true))));

    new MarksPanel(root);

    charts.rate = new ChartPanel(root, 'Requests per second', '', {unit: '', height: 190});
    charts.latency = new ChartPanel(root, 'Latency', '', {unit: 'ms', log: true, height: 190});
    const names = services();
    if (names.length > 1) {
      charts.select = h('select.btn', {'aria-label': 'Service shown', onchange: (ev) => setService(ev.target.value)},
        names.map((n) => h('option', {value: n}, n)));
      charts.rate.header.insertBefore(charts.select, charts.rate.legend);
      charts.strips = new StripsPanel(root, 'Every service', 'requests per second; choose a row to see it above', {
        legend: [['answered', 'c-ok'], ['failed', 'c-fail']],
        pick: (row) => setService(row.name), selected: (row) => row.name === service,
      });
      charts.strips.setRows(names.map((n) => {
        const ok = find('requests_ok', 'service', n), bad = find('requests_failed', 'service', n);
        const areas = [];
        if (ok) areas.push({name: 'answered', series: ok, color: 'c-ok'});
        if (bad) areas.push({name: 'failed', series: bad, color: 'c-fail'});
        return {name: n, areas, note: areas.length ? `peak ${fmtNum(Math.round(maxOf(areas[0].series)))}/s` : ''};
      }).filter((r) => r.areas.length).sort((a, b) => (b.name === data.focusService) - (a.name === data.focusService)));
    }
    if (!service && names.length === 1) service = names[0];

    // Replicas: workloads that changed come first.
    const replicas = new StripsPanel(root, 'Replicas', '', {legend: [['desired', 'c-desired', true], ['ready', 'c-ready']]});
    const key = (s) => (s.labels.namespace && s.labels.namespace !== 'default' ? s.labels.namespace + '/' : '') + s.labels.workload;
    const rows = new Map();
    for (const s of [...of('replicas_desired'), ...of('replicas_ready')]) {
      const k = key(s);
      if (!rows.has(k)) rows.set(k, {name: k, areas: []});
      if (s.metric === 'replicas_desired') rows.get(k).line = {name: 'desired', series: s, color: 'c-desired'};
      else rows.get(k).areas.push({name: 'ready', series: s, color: 'c-ready'});
    }
    for (const r of rows.values()) {
      const s = r.line ? r.line.series : r.areas[0].series;
      const lo = Math.min(...s.v.filter((v) => v !== null)), hi = maxOf(s);
      r.note = lo === hi ? `${fmtNum(hi)}` : `${fmtNum(lo)} to ${fmtNum(hi)}`;
      r.moved = r.areas.length ? r.areas[0].series.t.length : 0;
      r.spread = hi - lo;
    }
    replicas.setRows([...rows.values()].sort((a, b) => b.spread - a.spread || b.moved - a.moved || (a.name < b.name ? -1 : 1)));

    if (data.nodes.length) {
      const zones = new Set(data.nodes.map((n) => n.z)).size;
      new LanesPanel(root, 'Nodes', `${plural(data.nodes.length, 'node')} in ${plural(zones, 'zone')}`, {
        states: NODE_STATES, order: data.nodeStates, maxHeight: 420, group: (r) => r.z,
        about: (r) => [[r.p, r.i].filter(Boolean).join(' · '), r.z].filter(Boolean),
      }).setRows(data.nodes);
    }
    if (data.pods.length) buildPods(root);

    const phases = of('pods');
    if (phases.length) {
      const PHASE = {Running: 's-ready', Pending: 's-pending', Failed: 's-failed', Succeeded: 's-succeeded', Unknown: 's-crash'};
      const order = ['Pending', 'Failed', 'Unknown', 'Succeeded', 'Running'];
      const sorted = phases.slice().sort((a, b) => order.indexOf(a.labels.phase) - order.indexOf(b.labels.phase));
      new ChartPanel(root, 'Pods by phase', '', {unit: '', stack: true, height: 150}).setLines(sorted.map((s) => {
        const c = PHASE[s.labels.phase] || 's-terminating';
        return {name: s.labels.phase, series: s, color: c, fill: c, width: 0};
      }));
    }
    new ChartPanel(root, 'CPU of the cluster', 'cores', {unit: '', height: 150}).setLines([
      {name: 'used', series: of('cpu_used')[0], color: 'c-ok', fill: 'c-ok-fill'},
      {name: 'requested', series: of('cpu_requested')[0], color: 'c-2'},
      {name: 'allocatable', series: of('cpu_allocatable')[0], color: 'c-7', dash: [6, 4]},
    ]);
    const costTotal = of('cost_total')[0], costRate = of('cost_rate')[0];
    new ChartPanel(root, 'Cost', costTotal ? `${fmtValue(costTotal.v[costTotal.v.length - 1], costTotal.unit)} in all` : '', {unit: 'USD', height: 130, always: true}).setLines([
      {name: 'per hour', series: costRate, color: 'c-ok', fill: 'c-ok-fill'},
      {name: 'so far', series: costTotal, color: 'c-2', hidden: costRate !== undefined},
    ]);

    const known = new Set(['requests_ok', 'requests_failed', 'latency_p50', 'latency_p90', 'latency_p99', 'replicas_desired',
      'replicas_ready', 'pods', 'nodes_ready', 'nodes_not_ready', 'cpu_used', 'cpu_requested', 'cpu_allocatable', 'cost_rate', 'cost_total']);
    for (const [metric, list] of byMetric) {
      if (known.has(metric)) continue;
      const shown = list.slice(0, 8);
      const name = (s) => Object.values(s.labels).join(' ') || metric.replaceAll('_', ' ');
      new ChartPanel(root, metric.replaceAll('_', ' '), [list[0].unit, list.length > 8 ? `8 of ${list.length}` : ''].filter(Boolean).join(', '), {unit: list[0].unit, height: 150})
        .setLines(shown.map((s, i) => ({name: name(s), series: s, color: `c-${i + 1}`})));
    }
    setService(service);
    if (panels.every((p) => p.root.hidden)) root.append(h('p.muted', {}, 'Nothing was recorded.'));
  }

  function buildPods(root) {
    const panel = new LanesPanel(root, 'Pods', '', {
      states: POD_STATES, order: data.podStates, maxHeight: 440, group: (r) => r.w,
      about: (r) => [r.o ? `on ${r.o}${r.z ? ` (${r.z})` : ''}` : 'never bound to a node', r.r ? plural(r.r, 'restart') : ''].filter(Boolean),
    });
    const workloads = [...new Set(data.pods.map((p) => p.w))];
    const select = h('select.btn', {'aria-label': 'Workload'}, h('option', {value: ''}, 'all workloads'),
      workloads.map((w) => h('option', {value: w}, w)));
    const search = h('input.btn', {type: 'search', placeholder: 'pod or node', 'aria-label': 'Filter pods by name or node'});
    const trouble = h('input', {type: 'checkbox', id: 'trouble'});
    const update = () => {
      const q = search.value.trim().toLowerCase();
      // Waiting for the scheduler for ten seconds or more is trouble; being scaled away is not.
      const bad = new Set(['notReady', 'crashLoop', 'failed']);
      const troubled = (p) => p.r > 0 || p.s.some(([a, b, s]) => bad.has(data.podStates[s])
        || (data.podStates[s] === 'pending' && b - a >= 10));
      const rows = data.pods.filter((p) => (!select.value || p.w === select.value)
        && (!q || p.n.toLowerCase().includes(q) || p.o.toLowerCase().includes(q))
        && (!trouble.checked || troubled(p)));
      panel.setRows(rows);
      panel.desc.textContent = rows.length === data.pods.length ? `${fmtNum(rows.length)}` : `${fmtNum(rows.length)} of ${fmtNum(data.pods.length)}`;
      panel.plot.scrollTop = 0;
      panel.draw();
    };
    for (const [el, ev] of [[select, 'change'], [search, 'input'], [trouble, 'change']]) el.addEventListener(ev, update);
    panel.header.insertBefore(select, panel.legend);
    panel.header.insertBefore(search, panel.legend);
    panel.header.insertBefore(h('label.desc', {}, trouble, ' only troubled'), panel.legend);
    update();
  }

  function buildEnd() {
    const root = $('end');
    if (data.hints.length) {
      root.append(h('div.head', {}, h('h2', {}, 'Where to look next')),
        h('div.card', {style: 'margin-bottom:18px'}, h('ul.hints', {}, data.hints.map((x) => h('li', {}, x.text, x.command ? h('div', {}, h('code', {}, x.command)) : '')))));
    }
    if (data.tables.length) {
      root.append(h('div.head', {}, h('h2', {}, `The cluster at ${fmtTime(END)}`)));
      data.tables.forEach((t) => {
        root.append(h('details.card', {}, h('summary', {}, h('span.mono', {}, t.title), ' ', h('span.muted', {}, `(${t.rows.length})`)),
          h('div.scroll-x', {tabindex: 0, role: 'region', 'aria-label': t.title}, h('table.kube.mono', {},
            h('thead', {}, h('tr', {}, t.columns.map((c) => h('th', {scope: 'col'}, c)))),
            h('tbody', {}, t.rows.map((r) => h('tr', {}, r.map((c) => h('td', {}, c)))))))));
      });
    }
    $('footer').append(...data.notes.map((n) => h('div', {}, n)),
      h('div', {}, `${meta.file ? meta.file + ' · ' : ''}Mainspring ${meta.version} · charts by uPlot 1.6.32 (MIT)`));
  }

  // ---------------------------------------------------------------- size, theme, print

  function layout() {
    const style = getComputedStyle(document.documentElement);
    const any = panels.find((p) => !p.root.hidden);
    if (!any || !style) return;
    const width = any.plot.getBoundingClientRect().width;
    const narrow = width < 620;
    geo = {gutter: narrow ? 58 : width > 1000 ? 168 : 132, right: narrow ? 20 : 26, narrow, width: Math.floor(width)};
    for (const p of panels) p.layout();
    schedule(true);
  }
  let lastWidth = 0;
  new ResizeObserver(() => {
    const w = $('timeline').clientWidth;
    if (w !== lastWidth) {
      lastWidth = w;
      layout();
    }
  }).observe($('timeline'));

  let themeBeforePrint = null;
  addEventListener('beforeprint', () => {
    themeBeforePrint = isDark();
    document.body.classList.add('printing');
    for (const d of document.querySelectorAll('details')) d.open = true;
    setTheme(false, false);
    $('timeline').style.width = '680px';
    layout();
    for (const p of panels) p.draw();
  });
  addEventListener('afterprint', () => {
    document.body.classList.remove('printing');
    $('timeline').style.width = '';
    setTheme(themeBeforePrint, false);
    layout();
  });
  $('theme').addEventListener('click', () => setTheme(!isDark(), true));
  prefersDark.addEventListener('change', (ev) => {
    if (!chosenTheme) setTheme(ev.matches, false);
  });

  setTheme(chosenTheme ? chosenTheme === 'dark' : prefersDark.matches, false);
  buildHead();
  buildExpectations();
  buildStory();
  buildTimeline();
  buildEnd();
  lastWidth = $('timeline').clientWidth;
  layout();
  if (hash.get('from') && hash.get('to')) setRange(Number(hash.get('from')), Number(hash.get('to')));
  if (hash.get('t')) setCursor(Number(hash.get('t')));
  addEventListener('keydown', (ev) => {
    if (ev.key === 'Escape') hideTip();
  });
  addEventListener('pointerdown', hideTip, true);
  addEventListener('scroll', hideTip, {passive: true});
})();
