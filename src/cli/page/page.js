/* SPDX-License-Identifier: Apache-2.0 */
/* page.js - the page: what it says, and what belongs together in it. */

const bar = (className, parts, whole) => {
	const e = h("div", { class: className, "aria-hidden": "true" });
	for (const [dtype, bytes] of parts) {
		const part = h("i", { "data-dtype": dtype });
		part.style.width = `${whole ? (100 * bytes) / whole : 0}%`;
		e.append(part);
	}
	return e;
};

/* --- what is said at the top --- */

function drawHead() {
	const { recipe, direction } = raw.plan;

	document.title = `${show(raw.source.split("/").pop())} - lensfs plan`;
	$("source").textContent = show(raw.source);
	$("why").append("recipe ", show(raw.why), direction === "hf -> native" ? "" : ", read backwards");
	$("summary").textContent = show(`${recipe.name}: ${recipe.summary || ""}`);
	$("plan").textContent = JSON.stringify(raw.plan, null, 2).split("\n").map(show).join("\n");
	$("made").textContent = `lensfs ${raw.lensfs}`;
}

function drawWarnings() {
	const { warnings } = raw;

	$("warnings").append(warnings.length ?
		h("div", { class: "warning" }, h("h2", {}, plural(warnings.length, "warning")),
		  h("ul", {}, warnings.map((w) => h("li", {}, show(w))))) :
		h("p", { class: "fine" }, "No warnings."));
}

/* --- bytes by dtype, before and after --- */

function drawTotals() {
	const before = source.totals(), after = view.totals();
	const most = Math.max(source.bytes, view.bytes);
	const dtypes = [...new Set([...before.keys(), ...after.keys()])];
	const sum = (side, totals) => {
		const files = side.files.length, e = bar("stack", [...totals].map(([d, t]) => [d, t.bytes]), most);
		return h("div", { class: "sum" },
			h("h3", {}, side.name === "source" ? "Source" : "View"),
			h("p", {}, h("b", {}, size(side.bytes)), ` ${plural(side.n, "tensor")} in ${plural(files, "file")}`), e);
	};
	const cells = (t) => [h("td", { class: "right" }, t ? count(t.n) : "–"), h("td", { class: "right" }, t ? size(t.bytes) : "–")];

	$("totals").append(
		h("div", { class: "sums" }, sum(source, before), sum(view, after)),
		h("table", { class: "dtypes" },
			h("thead", {},
				h("tr", {}, h("th", { scope: "col", rowspan: 2 }, "dtype"), h("th", { scope: "colgroup", colspan: 2 }, "source"), h("th", { scope: "colgroup", colspan: 2 }, "view")),
				h("tr", {}, ["tensors", "bytes", "tensors", "bytes"].map((t) => h("th", { scope: "col", class: "right" }, t)))),
			h("tbody", {}, dtypes.map((d) => h("tr", {}, h("th", { scope: "row" }, h("i", { class: "dot", "data-dtype": d }), d), cells(before.get(d)), cells(after.get(d))))),
			h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "all"), cells({ n: source.n, bytes: source.bytes }), cells({ n: view.n, bytes: view.bytes })))));
	$("legend").append(...dtypes.map((d) => h("li", {}, h("i", { class: "dot", "data-dtype": d }), d)));
	$("dtype").append(h("option", { value: "" }, "all dtypes"), ...dtypes.map((d) => h("option", {}, d)));
}

/* --- source keys --- */

const fateOf = (i) => raw.fates[source.columns.fate[i]];

function drawFates() {
	const fates = new Map(), rules = new Map();

	for (let i = 0; i < source.n; i++) {
		const fate = fateOf(i), rule = source.word("rule", i);
		fates.set(fate, (fates.get(fate) || 0) + 1);
		if (fate === "dropped")
			rules.set(rule, (rules.get(rule) || 0) + 1);
	}
	const shown = raw.fates.filter((f) => fates.has(f));
	$("fates").append(h("ul", { class: "fates" }, shown.map((f) => h("li", {},
		h("button", { type: "button", onclick: () => browse(source, { fate: f }) },
		  h("b", {}, count(fates.get(f))), h("span", { class: "word" }, f), h("span", { class: "hint" }, raw["fate-help"][raw.fates.indexOf(f)])),
		f === "dropped" && h("ul", { class: "rules" }, [...rules].map(([rule, n]) => h("li", {}, count(n), " by ", h("code", {}, show(rule || "a rule")))))))));
	$("fate").append(h("option", { value: "" }, "whatever became of it"), ...shown.map((f) => h("option", {}, f)));
}

/* --- the tables --- */

function columnsOf(side) {
	const form = (i) => side.form(i);
	return [
		{ name: "key", kind: "key", order: (i) => i },
		{ name: "dtype", kind: "word", order: (i) => form(i).dtype,
		  cell: (i) => h("span", {}, h("i", { class: "dot", "data-dtype": form(i).dtype }), form(i).dtype) },
		{ name: "shape", kind: "shape", order: (i) => form(i).elements, cell: (i) => form(i).shape },
		{ name: "bytes", right: true, order: (i) => form(i).bytes, cell: (i) => count(form(i).bytes) },
	];
}

function madeBy(i) {
	const made = [view.word("codec", i), view.word("ops", i)].filter(Boolean).map(show);
	return made.length ? made.join(" · ") : "as it is";
}

const tables = new Map();
let shown = view;

function drawTables() {
	tables.set(view, new Table($("table"), view, [...columnsOf(view),
		{ name: "sources", right: true, order: (i) => view.columns.sources[i].length, cell: (i) => count(view.columns.sources[i].length) },
		{ name: "codec · ops", kind: "made", order: madeBy, cell: madeBy },
		{ name: "file", kind: "file", order: (i) => view.columns.file[i], cell: (i) => show(view.file(i)) }], (i) => detail(view, i)));
	tables.set(source, new Table($("table"), source, [...columnsOf(source),
		{ name: "became", kind: "word", order: fateOf, cell: fateOf },
		{ name: "in", kind: "made", cell: (i) => {
			const into = source.columns.into[i];
			return into < 0 ? "" : show(view.keys[into]);
		}, order: (i) => source.columns.into[i] },
		{ name: "file", kind: "file", order: (i) => source.columns.file[i], cell: (i) => show(source.file(i) || "") }], (i) => detail(source, i)));
	$("tabs").append(...[view, source].map((side) => h("button", { type: "button", role: "tab", id: `tab-${side.name}`,
		onclick: () => turn(side) }, side.name === "view" ? "View " : "Source ", h("span", { class: "size" }, count(side.n)))));
	$("search").addEventListener("input", search);
	$("dtype").addEventListener("change", search);
	$("fate").addEventListener("change", search);
}

function turn(side) {
	shown = side;
	for (const [s, table] of tables) {
		table.grid.hidden = s !== side;
		$(`tab-${s.name}`).setAttribute("aria-selected", String(s === side));
	}
	$("fate").hidden = side !== source;
	search();
}

function search() {
	const table = tables.get(shown), dtype = $("dtype").value, fate = shown === source ? $("fate").value : "";
	let bytes = 0;

	table.filter($("search").value, (i) => (!dtype || shown.form(i).dtype === dtype) && (!fate || fateOf(i) === fate));
	for (const i of table.rows)
		bytes += shown.form(i).bytes;
	$("found").textContent = table.rows.length === shown.n ? `${plural(shown.n, "tensor")}, ${size(bytes)}` :
		`${count(table.rows.length)} of ${plural(shown.n, "tensor")}, ${size(bytes)}`;
}

/* Show the table of @side, with these filters; tensor @i chosen. */
function browse(side, { text = "", dtype = "", fate = "", i = -1 }) {
	$("search").value = text;
	$("dtype").value = dtype;
	$("fate").value = fate;
	turn(side);
	$("tables-title").scrollIntoView({ block: "start" });
	if (i < 0)
		return;
	const table = tables.get(side);
	table.reveal(table.rows.indexOf(i));
	table.choose(i, true);
}

/* --- one tensor --- */

const FEW = 50;

/* Buttons for @all tensors of @side; many only when asked for. */
function listOf(side, all) {
	const item = (i) => h("li", {}, h("button", { type: "button", class: "key", onclick: () => browse(side, { i }) }, breakable(side.keys[i])),
		" ", h("span", { class: "hint" }, `${side.form(i).dtype} ${side.form(i).shape}`));
	const list = h("ul", { class: "refs" }, all.slice(0, FEW).map(item));

	if (all.length > FEW)
		list.append(h("li", {}, h("button", { type: "button", onclick: (e) => {
			e.target.parentNode.remove();
			list.append(...all.slice(FEW).map(item));
		} }, `and ${count(all.length - FEW)} more`)));
	return list;
}

function detail(side, i) {
	const form = side.form(i), pairs = [];
	const pair = (name, ...value) => pairs.push(h("dt", {}, name), h("dd", {}, ...value));
	const code = (text) => (text ? h("code", {}, show(text)) : "none");

	pair("dtype", h("i", { class: "dot", "data-dtype": form.dtype }), form.dtype);
	pair("shape", form.shape);
	pair("bytes", `${count(form.bytes)} (${size(form.bytes)})`);
	if (side === view) {
		const sources = view.columns.sources[i];
		pair("file", show(view.file(i)), h("span", { class: "hint" }, ` at ${count(view.columns.offset[i])}`));
		pair("codec", code(view.word("codec", i)));
		pair("ops", code(view.word("ops", i)));
		pair(plural(sources.length, "source"), sources.length ? listOf(source, sources) : "none: it is made");
	} else {
		const uses = usersOf(i), fate = source.columns.fate[i];
		if (source.file(i))
			pair("file", show(source.file(i)), h("span", { class: "hint" }, ` at ${count(source.columns.offset[i])}`));
		pair("became", h("b", {}, raw.fates[fate]), h("span", { class: "hint" }, ` ${raw["fate-help"][fate]}`));
		pair("rule", code(source.word("rule", i)));
		pair("used in", uses.length ? listOf(view, uses) : "nothing");
	}
	$("details").hidden = false;
	$("details").replaceChildren(
		h("button", { type: "button", class: "close", "aria-label": "Close the details", onclick: () => ($("details").hidden = true) }, "×"),
		h("h3", { class: "key" }, breakable(side.keys[i])), h("dl", {}, pairs));
	$("details").scrollTop = 0;
}

/* --- all of it --- */

drawHead();
drawWarnings();
drawTotals();
drawFates();
drawTables();
turn(view);
/* Once the rest can be seen and used. */
requestAnimationFrame(() => setTimeout(() => {
	for (const side of [source, view])
		new TreeMap($("maps"), side, (i) => browse(side, { i }));
}));
document.addEventListener("keydown", (e) => {
	if (e.key === "/" && !e.target.matches("input, select, textarea")) {
		e.preventDefault();
		$("search").focus();
	}
	if (e.key === "Escape" && !e.defaultPrevented)
		$("details").hidden = true;
});
