// Fills the page of a report: the controls decide, one function chooses, one function each redraws a part.
// All values that it shows were computed before; here is no physics.
"use strict";

(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const fronts = data.fronts.filter((front) => front.designs.length > 0);
  if (fronts.length === 0) return;
  document.documentElement.classList.add("has-script");

  // Most cycles that are drawn one by one; of longer runs the outline is drawn.
  const MOST_CYCLES = 400;
  const LABEL_PX = 9;
  const LARGEST_POSITION = 1000;

  const accuracyOf = (design) => design.row[data.accuracy];
  const timeOf = (design) => design.time_s;
  const isKnown = (design) => accuracyOf(design) !== null;
  const membersOf = (front) => front.designs.filter((design) => design.row.on_front && isKnown(design));
  const frontOf = (name) => fronts.find((front) => front.name === name);
  const all = fronts.flatMap((front) => front.designs);
  for (const design of all) design.row = data.rows[design.position];

  const rounded = (value) => Number(value.toPrecision(3));
  const plain = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3, useGrouping: false });
  const seconds = (value) => (value < 1 ? `${plain(1000 * value)} ms` : `${plain(value)} s`);
  const percent = (value) => `${(100 * value).toFixed(1)} %`;

  // ---- what is asked for -------------------------------------------------------------------------------------------
  const times = all.map(timeOf).concat(data.deadline_s ?? []);
  const shortest = 0.6 * Math.min(...times);
  const longest = 1.4 * Math.max(...times);
  const state = {
    front: fronts[0], deadline: data.deadline_s ?? Infinity, least: 0, prefer: "accuracy", picked: null,
  };

  const positionOf = (deadline) => {
    if (deadline === Infinity) return LARGEST_POSITION;
    const share = Math.log(deadline / shortest) / Math.log(longest / shortest);
    return Math.min(LARGEST_POSITION - 1, Math.max(0, Math.round(share * LARGEST_POSITION)));
  };
  const deadlineAt = (position) =>
    position >= LARGEST_POSITION ? Infinity : rounded(shortest * (longest / shortest) ** (position / LARGEST_POSITION));

  // ---- the choice: each front comes with the ranking of `ebbnas choose` for each preference ------------------------
  const PREFERRED = {
    knee: "nearest to the best balance of accuracy and log latency", accuracy: "most accurate on validation",
    latency: "fastest", energy: "least in energy",
  };
  const rankedBy = (prefer) =>
    state.front.ranking[prefer].map((id) => state.front.designs.find((design) => design.row.id === id));
  const first = (designs, prefer) => rankedBy(prefer).find((design) => designs.includes(design));

  function choose() {
    const ranked = rankedBy(state.prefer);
    const limited = ranked.map((design) => ({ time_s: timeOf(design), accuracy: accuracyOf(design) }));
    const position = chosenPosition(limited, state.deadline, state.least);
    const inTime = ranked.filter((design) => timeOf(design) <= state.deadline);
    const good = ranked.filter((design) => accuracyOf(design) >= state.least);
    if (position >= 0) {
      const n = inTime.filter((design) => good.includes(design)).length;
      return { design: ranked[position], why: `The ${PREFERRED[state.prefer]} of ${n} on the front of ${state.front.label} that fit.` };
    }
    return { design: null, why: whyNothing(ranked, inTime, good) };
  }

  function whyNothing(members, inTime, good) {
    const late = (design) => `${seconds(timeOf(design))}, ${seconds(timeOf(design) - state.deadline)} over the deadline`;
    const short = (design) =>
      `${percent(accuracyOf(design))}, ${(100 * (state.least - accuracyOf(design))).toFixed(1)} points short of the least accuracy`;
    const parts = [];
    if (inTime.length === 0) {
      parts.push(`The deadline binds: the fastest design needs ${late(first(members, "latency"))}.`);
    }
    if (good.length === 0) {
      parts.push(`The least accuracy binds: the most accurate design has ${short(first(members, "accuracy"))}.`);
    }
    if (parts.length === 0) {
      parts.push(`Deadline and least accuracy bind together: the most accurate design in time has ${short(first(inTime, "accuracy"))}; `
        + `the fastest that is accurate enough needs ${late(first(good, "latency"))}.`);
    }
    return parts.join(" ");
  }

  // ---- charts ------------------------------------------------------------------------------------------------------
  Bokeh.set_log_level("warn");
  const documents = {};
  for (const [id, item] of Object.entries(data.charts)) {
    await Bokeh.embed.embed_item(item);
    documents[id] = Bokeh.documents[Bokeh.documents.length - 1];
  }
  const model = (chart, name) => documents[`${chart}-chart`].get_model_by_name(name);

  function drawFront(design) {
    for (const front of fronts) {
      const isMeant = front === state.front;
      for (const [name, alpha] of [["line", 0.35], ["members", 0.35], ["off", 0.35]]) {
        const glyph = model("front", `${name} ${front.name}`).glyph;
        glyph.line_alpha = { value: isMeant ? (name === "off" ? 0.8 : 1) : alpha };
        if (name === "members") glyph.fill_alpha = { value: isMeant ? 1 : alpha };
      }
      model("front", `intervals ${front.name}`).visible = isMeant && element("intervals").checked;
    }
    const end = (name) => (design ? [100 * (design.row[`${data.accuracy}${name}`] ?? accuracyOf(design))] : []);
    const isShown = design !== null && isKnown(design);
    model("front", "chosen").data = isShown
      ? { x: [design.row.latency_s], y: end(""), low: end("_low"), high: end("_high"), worst: [timeOf(design)] }
      : { x: [], y: [], low: [], high: [], worst: [] };
    const place = (line, shade, value, side) => {
      for (const name of [line, shade]) model("front", name).visible = value !== null;
      if (value === null) return;
      model("front", line).location = value;
      model("front", shade)[side] = value;
    };
    place("deadline", "too late", state.deadline === Infinity ? null : state.deadline, "left");
    place("least accuracy", "too wrong", state.least > 0 ? 100 * state.least : null, "top");
  }

  function drawParts(design) {
    const shown = membersOf(state.front);
    const names = shown.map((one) => one.row.id);
    const isShare = element("shares").checked;
    const bars = { design: names, tip: shown.map((one) => one.parts_tip) };
    const scaled = (one, part) => one.row[part] / (isShare ? one.row.latency_s / 100 : 1);
    for (const part of data.parts) bars[part] = shown.map((one) => scaled(one, part));
    const chart = model("parts", "parts");
    chart.y_range.factors = [...names].reverse();
    chart.height = 110 + 26 * names.length;
    chart.below[0].axis_label = isShare ? "share of the latency [%]" : "time of one inference [s]";
    model("parts", "bars").data = bars;
    const isThere = design !== null && names.includes(design.row.id);
    model("parts", "framed").data = isThere
      ? { design: [design.row.id], end: [isShare ? 100 : design.row.latency_s] }
      : { design: [], end: [] };
  }

  function drawCycles(front, design) {
    const nCycles = design.runs.reduce((sum, run) => sum + run.cycles, 0);
    const chart = model("cycles", "cycles");
    const top = front.v_on_v + 0.22 * (front.v_on_v - front.v_off_v);
    const bottom = front.v_off_v - 0.08 * (front.v_on_v - front.v_off_v);
    const runs = { left: [], right: [], bottom: [], top: [], shade: [], tip: [] };
    const bands = { left: [], right: [], bottom: [], top: [] };
    const active = { xs: [], ys: [] };
    const charging = { xs: [], ys: [] };
    let start = 0;
    design.runs.forEach((run, index) => {
      const length = run.times_s[run.times_s.length - 1];
      const end = start + run.cycles * length;
      for (const [name, value] of [["left", start], ["right", end], ["bottom", bottom], ["top", top],
        ["shade", index % 2 ? "#eef1f4" : "#ffffff"], ["tip", run.tip]]) runs[name].push(value);
      if (nCycles > MOST_CYCLES && run.cycles > 3) {
        for (const [name, value] of [["left", start], ["right", end], ["bottom", run.voltages_v[1]], ["top", front.v_on_v]]) {
          bands[name].push(value);
        }
      } else {
        for (let k = 0; k < run.cycles; k += 1) {
          const shifted = run.times_s.map((time) => start + k * length + time);
          active.xs.push(shifted.slice(0, 2));
          active.ys.push(run.voltages_v.slice(0, 2));
          charging.xs.push(shifted.slice(1));
          charging.ys.push(run.voltages_v.slice(1));
        }
      }
      start = end;
    });
    for (const [name, content] of Object.entries({ runs, bands, active, charging })) model("cycles", name).data = content;
    model("cycles", "counts").data = counts(design, runs, start, (front.v_on_v + top) / 2);
    Object.assign(chart.x_range, { start: 0, end: start, reset_start: 0, reset_end: start });
    Object.assign(chart.y_range, { start: bottom, end: top, reset_start: bottom, reset_end: top });
    const voltages = [["boots", front.v_on_v], ["spent", front.v_budget_v], ["fails", front.v_off_v]];
    for (const [name, voltage] of voltages) model("cycles", name).location = voltage;
    model("cycles", "voltages").ticks = voltages.map(([, voltage]) => voltage);
    chart.left[0].major_label_overrides = new Map(voltages.map(([name, voltage]) => [voltage, `${name} ${voltage.toFixed(2)}`]));
  }

  // Numbers of equal cycles, where they have room.
  function counts(design, runs, whole, height) {
    const room = element("cycles-chart").clientWidth - 80;
    const found = { x: [], y: [], text: [] };
    design.runs.forEach((run, index) => {
      const text = `× ${run.cycles}`;
      const width = ((runs.right[index] - runs.left[index]) / whole) * room;
      if (run.cycles < 2 || width < LABEL_PX * text.length) return;
      found.x.push((runs.left[index] + runs.right[index]) / 2);
      found.y.push(height);
      found.text.push(text);
    });
    return found;
  }

  // ---- text --------------------------------------------------------------------------------------------------------
  const quoted = (path) => (/^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

  function commands(design, isPicked) {
    const lines = [];
    if (!isPicked) {
      const options = [`--budget ${state.front.name}`];
      if (state.deadline !== Infinity) options.push(`--deadline ${state.deadline}s`);
      if (state.least > 0) options.push(`--min-accuracy ${rounded(state.least)}`);
      lines.push(`ebbnas choose ${quoted(data.place)} ${options.join(" ")} --prefer ${state.prefer}`);
    }
    const file = quoted(`${data.place}/designs/${design ? design.row.id : ""}.json`);
    if (design) lines.push(`ebbnas price ${file}`);
    if (design && design.can_simulate) lines.push(`ebbnas simulate ${file}`);
    return lines;
  }

  function say(design, why, isPicked) {
    element("chosen").classList.toggle("nothing", design === null);
    element("chosen").style.setProperty("--budget", state.front.colour);
    element("chosen-title").textContent = design ? `Chosen design ${design.row.id}` : "Nothing fits";
    element("chosen-why").textContent = why;
    element("chosen-facts").innerHTML = design ? design.panel : "";
    const pre = document.createElement("pre");
    pre.textContent = commands(design, isPicked).join("\n");
    const where = document.createElement("p");
    where.textContent = `On the command line, from the folder that holds ${data.place.split("/")[0]}:`;
    element("chosen-commands").replaceChildren(where, pre);
    element("cycles").hidden = design === null;
    if (design === null) return;
    for (const place of document.querySelectorAll(".chosen-id")) place.textContent = design.row.id;
    element("cycles-table").innerHTML = design.cycles_table;
    element("layers-table").innerHTML = design.layers_table;
    element("cycles-figure").hidden = design.runs.length === 0;
    element("cycles-summary").textContent = design.cycles_summary;
  }

  function sayControls() {
    element("budget").value = state.front.name;
    element("deadline").value = positionOf(state.deadline);
    element("deadline-value").textContent = state.deadline === Infinity ? "none" : seconds(state.deadline);
    element("deadline").setAttribute("aria-valuetext", element("deadline-value").textContent);
    if (document.activeElement !== element("deadline-exact")) {
      element("deadline-exact").value = state.deadline === Infinity ? "" : state.deadline;
    }
    element("least").value = 100 * state.least;
    element("least-value").textContent = state.least > 0 ? percent(state.least) : "none";
    element("least").setAttribute("aria-valuetext", element("least-value").textContent);
    element("prefer").value = state.prefer;
    const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
    const known = state.front.designs.filter(isKnown);
    const text = (one) => `${one.row.id}, ${percent(accuracyOf(one))}, ${seconds(one.row.latency_s)}${one.row.on_front ? "" : ", off the front"}`;
    element("design").replaceChildren(option("", "the one that this rule takes"), ...known.map((one) => option(one.row.id, text(one))));
    element("design").value = state.picked ? state.picked.row.id : "";
  }

  function update() {
    const isPicked = state.picked !== null;
    const { design, why } = isPicked
      ? { design: state.picked, why: "Picked by hand. Move a slider to go back to what the rule takes." }
      : choose();
    sayControls();
    say(design, why, isPicked);
    drawFront(design);
    drawParts(design);
    if (design) drawCycles(state.front, design);
    document.body.dataset.chosen = design ? design.row.id : "";
  }

  // ---- events ------------------------------------------------------------------------------------------------------
  const set = (changes) => {
    Object.assign(state, { picked: null }, changes);
    update();
  };
  element("budget").replaceChildren(...fronts.map((front) => new Option(front.label, front.name)));
  const best = Math.max(...all.filter(isKnown).map(accuracyOf));
  element("least").max = Math.min(100, Math.ceil(100 * best) + 2);
  element("budget").addEventListener("input", (event) => set({ front: frontOf(event.target.value) }));
  element("deadline").addEventListener("input", (event) => set({ deadline: deadlineAt(Number(event.target.value)) }));
  element("deadline-exact").addEventListener("input", (event) => {
    const value = Number(event.target.value);
    if (event.target.value === "") set({ deadline: Infinity });
    else if (value > 0 && Number.isFinite(value)) set({ deadline: value });
  });
  element("least").addEventListener("input", (event) => set({ least: Number(event.target.value) / 100 }));
  element("prefer").addEventListener("input", (event) => set({ prefer: event.target.value }));
  element("design").addEventListener("input", (event) => {
    set({ picked: all.find((design) => design.row.id === event.target.value) ?? null });
  });
  element("controls").addEventListener("submit", (event) => event.preventDefault());
  element("intervals").addEventListener("input", update);
  element("shares").addEventListener("input", update);
  for (const front of fronts) {
    for (const name of ["off", "members"]) {
      const source = model("front", `${name} ${front.name}`).data_source;
      source.selected.properties.indices.change.connect(() => {
        const [position] = source.selected.indices;
        if (position === undefined) return;
        const id = source.data.design[position];
        set({ front, picked: all.find((design) => design.row.id === id) });
        source.selected.indices = [];
      });
    }
  }

  function download(name, type, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  element("download-csv").addEventListener("click", () => download(`${data.name}.csv`, "text/csv", data.csv));
  element("download-json").addEventListener("click", () => {
    download(`${data.name}.json`, "application/json", JSON.stringify(data.rows, null, 1));
  });

  update();
})();
